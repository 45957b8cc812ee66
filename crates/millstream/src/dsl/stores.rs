use std::hash::Hash;

use super::TopologyBuilder;
use crate::state::{OrderedStore, Store};

impl TopologyBuilder {
    /// A store in the order of its keys for processors to use, which can be asked for ranges and prefixes; see
    /// [`Stream::process`](super::Stream::process). What is put last for a key is its row, whatever its timestamp.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// Keeps bids as `lot/bidder`, and forwards the highest of the lot.
    /// struct HighestBid(OrderedStore<String, i64>);
    ///
    /// impl Processor for HighestBid {
    ///     type KeyIn = String;
    ///     type ValueIn = i64;
    ///     type KeyOut = String;
    ///     type ValueOut = i64;
    ///
    ///     fn process(
    ///         &self,
    ///         context: &mut ProcessorContext<'_, '_, String, i64>,
    ///         record: Record<String, i64>,
    ///     ) -> Result<(), ProcessError> {
    ///         let lot = record.key.split_inclusive('/').next().unwrap_or_default().to_owned();
    ///         self.0.put(record.key, record.value, record.timestamp);
    ///         let mut highest = 0;
    ///         self.0.prefix(&lot, |_, bid, _| highest = highest.max(*bid));
    ///         context.forward(Record::new(lot, highest, record.timestamp))
    ///     }
    /// }
    ///
    /// let (bids, highest) = (Topic::<_, i64>::new("bids", Utf8, Be64), Topic::<_, i64>::new("highest", Utf8, Be64));
    /// let (i, o) = (bids.clone(), highest.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let store = b.ordered_store(Store::new("bids", Utf8, Be64));
    ///     b.stream(&i).process("highest-bid", HighestBid(store.clone()), &[&store]).to(&o)
    /// });
    /// for (key, bid) in [("a/ann", 3), ("b/bob", 9), ("a/bob", 2), ("a/ann", 1)] {
    ///     driver.pipe(&bids, key.to_string(), bid, 0);
    /// }
    /// assert_eq!(driver.values(&highest), [3, 9, 3, 2]);
    /// ```
    pub fn ordered_store<K, V>(&self, store: Store<K, V>) -> OrderedStore<K, V>
    where
        K: Ord + Hash + Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        let id = graph.store(&store.name);
        let store = OrderedStore::new(id, store, &graph.clock);
        graph.set_store(id, store.erased());
        store
    }
}
