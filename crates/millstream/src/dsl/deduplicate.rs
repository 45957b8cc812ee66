use std::hash::Hash;
use std::time::Duration;

use super::Stream;
use crate::record::Timestamp;
use crate::state::{Connect, SeenStore, Store};

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Drops the records whose id passed already within a duration (whole ms), by event time; the store keeps the time at
    /// which each id passed, and forgets it when stream time is `within` further.
    ///
    /// Out of order, of the records of an id the one that is processed first passes. A record that is `within` or more behind
    /// stream time passes and leaves no trace, as it is not known what passed then. Duplicates do not prolong the time. Null keys
    /// and values are for `id` to look at, as any other. Records of an id must have the same key, or be in the same partition
    /// by other means.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i)
    ///         .deduplicate(Store::new("seen", Be64, Be64), |_, order_id| *order_id, Duration::from_millis(10))
    ///         .to(&o)
    /// });
    /// for (order_id, timestamp) in [(7, 100), (7, 109), (8, 105), (7, 110)] {
    ///     driver.pipe(&input, "a".to_string(), order_id, timestamp);
    /// }
    /// let passed: Vec<_> = driver.records(&output).into_iter().map(|r| (r.value.unwrap(), r.timestamp)).collect();
    /// assert_eq!(passed, [(7, 100), (8, 105), (7, 110)]);
    /// ```
    pub fn deduplicate<I: Hash + Eq + Clone + 'static>(
        &self,
        store: Store<I, Timestamp>,
        id: impl Fn(&K, &V) -> I + 'static,
        within: Duration,
    ) -> Stream<K, V> {
        self.require_unchanged_key("deduplicate()");
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let mut graph = self.builder.graph.borrow_mut();
        graph.refuse_time_to_live(&store, "an id is kept for as long as it matters");
        let store_id = graph.store(&store.name);
        let seen = SeenStore::new(store_id, store, within);
        graph.set_store(store_id, seen.erased());
        drop(graph);
        let passed = {
            let seen = seen.clone();
            self.then("deduplicate", false, move |context, record, children| {
                let (id, now) = (id(&record.key, &record.value), context.stream_time());
                if seen.pass(id, record.timestamp, now) { children.push(context, record) } else { Ok(()) }
            })
        };
        let mut graph = self.builder.graph.borrow_mut();
        graph.connect(seen.store_id(), passed.node);
        graph.uses_time(passed.node, 0);
        drop(graph);
        passed
    }
}
