use std::hash::Hash;
use std::time::Duration;

use super::builder::{time_of, timestamp_of_row, unreadable};
use super::table::{Serdes, View};
use super::{Change, Table, TopologyBuilder};
use crate::broker::Message;
use crate::processor::{Context, Tee};
use crate::record::Record;
use crate::state::{Connect, Store, VersionedPut, VersionedStore};
use crate::topic::Topic;
use crate::topology::NodeKind;

impl TopologyBuilder {
    /// A table of a topic that remembers what its values were, for `history_retention` (whole ms) of event time: a stream
    /// joined with it gets the value as of each record's timestamp, also when the table is ahead of it by now.
    ///
    /// The latest value of a key is the one with the largest timestamp. An update that is older is no change of the table: it
    /// becomes a part of the history, and [`Table::to_stream`] passes it on, as Kafka Streams does. One that is older than the
    /// largest timestamp in the table minus the retention is late: counted, and dropped. A null value deletes its key from
    /// its timestamp on. Of updates with one timestamp the last in the partition stays. A record without key is skipped.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (prices, sales) = (Topic::new("prices", Utf8, Be64), Topic::new("sales", Utf8, Be64));
    /// let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// let (p, s, o) = (prices.clone(), sales.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let prices = b.versioned_table(&p, Store::new("prices", Utf8, Be64), Duration::from_millis(100));
    ///     b.stream(&s).join(&prices, |count: i64, price| count * price).to(&o)
    /// });
    /// driver.pipe(&prices, "tea".to_string(), 3, 0);
    /// driver.pipe(&prices, "tea".to_string(), 5, 50);
    /// for timestamp in [60, 49, 50] {
    ///     driver.pipe(&sales, "tea".to_string(), 2, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [10, 6, 10]);
    /// ```
    pub fn versioned_table<K, V>(
        &self,
        topic: &Topic<K, V>,
        store: Store<K, V>,
        history_retention: Duration,
    ) -> Table<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let node = self.graph.borrow_mut().node(NodeKind::Source(topic.name.clone()), &[]);
        let store = self.versioned_store(store, history_retention);
        self.graph.borrow_mut().connect(store.store_id(), node);
        self.graph.borrow_mut().uses_time(node, 0);
        let children: Tee<K, Change<V>> = Tee::default();
        let out_of_order: Tee<K, Option<V>> = Tee::default();
        let moves_clock = topic.timestamp.is_some() || topic.watermark.is_some();
        let feed = {
            let (topic, store) = (topic.clone(), store.clone());
            let (children, out_of_order) = (children.clone(), out_of_order.clone());
            move |context: &mut Context<'_>, message: &mut Message<'_>| {
                let Some(key) = message.key else {
                    return Ok(());
                };
                let key = topic.key.decode(key).map_err(|e| unreadable("key", &e))?;
                let new = message.value.map(|bytes| topic.value.decode(bytes)).transpose();
                let new = new.map_err(|e| unreadable("value", &e))?;
                let (mut timestamp, headers) = (message.timestamp, std::mem::take(&mut message.headers));
                if moves_clock {
                    timestamp = time_of(&topic, context, &key, new.as_ref(), timestamp);
                }
                let old = store.get(&key).map(|latest| latest.value);
                match store.put(key.clone(), new.clone(), timestamp) {
                    VersionedPut::Latest => {
                        children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
                    }
                    VersionedPut::Superseded { .. } => {
                        out_of_order.push(context, Record { key, value: new, timestamp, headers })
                    }
                    VersionedPut::TooLate => {
                        context.output.count_late(node.0);
                        Ok(())
                    }
                }
            }
        };
        self.feed(node, topic.name.clone(), timestamp_of_row(topic), moves_clock, feed);
        let mut table = Table::new(self, node, children, None);
        table.serdes = Serdes { key: Some(topic.key.clone()), value: Some(topic.value.clone()) };
        table.view = View::Versioned(store);
        table.out_of_order = Some(out_of_order);
        table
    }

    /// A store for processors to use that remembers what its values were, for `history_retention` (whole ms) of event time;
    /// see [`Stream::process`](super::Stream::process). A put that comes too late says so; the processor may count it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// Forwards by how much a reading differs from the one that was valid 10 ms before it.
    /// struct Slope(VersionedStore<String, i64>);
    ///
    /// impl Processor for Slope {
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
    ///         self.0.put(record.key.clone(), Some(record.value), record.timestamp);
    ///         match self.0.get_as_of(&record.key, record.timestamp - 10) {
    ///             Some(before) => context.forward(record.clone().with_value(record.value - before.value)),
    ///             None => Ok(()),
    ///         }
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let readings = b.versioned_store(Store::new("readings", Utf8, Be64), Duration::from_millis(100));
    ///     b.stream(&i).process("slope", Slope(readings.clone()), &[&readings]).to(&o)
    /// });
    /// for (value, timestamp) in [(1, 0), (7, 20), (3, 15), (8, 25)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&output), [6, 2, 5]);
    /// ```
    pub fn versioned_store<K, V>(&self, store: Store<K, V>, history_retention: Duration) -> VersionedStore<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        graph.refuse_time_to_live(&store, "a versioned store has its history retention");
        let id = graph.store(&store.name);
        let store = VersionedStore::new(id, store, history_retention);
        graph.set_store(id, store.erased());
        store
    }
}
