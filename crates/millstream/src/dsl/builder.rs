use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::{Change, Stream, Table};
use crate::broker::Message;
use crate::processor::{Context, ProcessError, RecordErrorKind, Tee};
use crate::record::{Record, Timestamp};
use crate::serde::decode;
use crate::state::{Connect, KeyValueStore, SourceRows, Store};
use crate::topic::Topic;
use crate::topology::{NodeId, NodeKind, Source, TimestampOf, TopologyBuilder};

impl TopologyBuilder {
    /// A stream of a topic's records.
    ///
    /// Records come in the order of their partition, whatever their timestamps. Null keys and values are read by the
    /// topic's serdes: an error for most, `None` for [`Nullable`](crate::serde::Nullable).
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (lines, copies) = (Topic::new("lines", Unit, Utf8), Topic::new("copies", Unit, Utf8));
    /// let mut driver = TopologyTestDriver::new({
    ///     let (lines, copies) = (lines.clone(), copies.clone());
    ///     move |b| b.stream(&lines).to(&copies)
    /// });
    /// driver.pipe(&lines, (), "hello".to_string(), 0);
    /// assert_eq!(driver.values(&copies), ["hello"]);
    /// ```
    pub fn stream<K, V>(&self, topic: &Topic<K, V>) -> Stream<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        self.source(topic, topic.name.clone())
    }

    /// A stream of `name`, read with the topic's serdes.
    pub(crate) fn source<K, V>(&self, topic: &Topic<K, V>, name: Arc<str>) -> Stream<K, V>
    where
        K: Clone + 'static,
        V: Clone + 'static,
    {
        let node = self.graph.borrow_mut().node(NodeKind::Source(name.clone()), &[]);
        let stream = Stream::new(self, node, false);
        let (topic, children) = (topic.clone(), stream.children.clone());
        let timestamp = topic.timestamp.clone().map(|extractor| {
            let topic = topic.clone();
            Box::new(move |message: &Message<'_>| {
                let key = decode(&*topic.key, message.key).ok()?;
                let value = decode(&*topic.value, message.value).ok()?;
                Some(extractor(&key, &value, message.timestamp))
            }) as TimestampOf
        });
        let moves_clock = topic.timestamp.is_some() || topic.watermark.is_some();
        // Two of them, so that Kafka's timestamps cost nothing.
        if moves_clock {
            self.feed(node, name, timestamp, true, move |context, message| {
                let mut record = read(&topic, message)?;
                record.timestamp = time_of(&topic, context, &record.key, Some(&record.value), record.timestamp);
                children.push(context, record)
            });
        } else {
            self.feed(node, name, timestamp, false, move |context, message| {
                children.push(context, read(&topic, message)?)
            });
        }
        stream
    }

    /// A table of a topic: the last value of each key, kept in `store`.
    ///
    /// A null value deletes its key. A record without key is skipped, as it could be in any partition. Among records of
    /// one key the last in the partition wins, also when its timestamp is older; each is a change, repeated ones too.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (prices, log) = (Topic::new("prices", Utf8, Be64), Topic::new("log", Utf8, Be64));
    /// let mut driver = TopologyTestDriver::new({
    ///     let (prices, log) = (prices.clone(), log.clone());
    ///     move |b| b.table(&prices, Store::new("prices", Utf8, Be64)).to_stream().to(&log)
    /// });
    /// driver.pipe(&prices, "tea".to_string(), 3_i64, 0);
    /// driver.pipe_null(&prices, "tea".to_string(), 1);
    /// assert_eq!(driver.entries(&log), [("tea".to_string(), Some(3)), ("tea".to_string(), None)]);
    /// ```
    pub fn table<K, V>(&self, topic: &Topic<K, V>, store: Store<K, V>) -> Table<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let store = self.store(store);
        self.table_in(topic, store)
    }

    /// A table of a compacted topic, kept in a store named `store` that has no changelog of its own: the topic is it.
    ///
    /// As [`TopologyBuilder::table`] in all else. After a restart the rows are read from the topic, up to where it was
    /// processed. Its `cleanup.policy` must be `compact`.
    ///
    /// Compaction may remove a row's value before the update after it is processed. A restart in between knows nothing of
    /// the row, and the update comes without the value before: an aggregate of the re-grouped table then keeps what it
    /// should subtract. Where that must not be, take [`TopologyBuilder::table`], or a `min.compaction.lag.ms` that is
    /// longer than the application is ever behind.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (prices, log) = (Topic::<_, i64>::new("prices", Utf8, Be64), Topic::<_, i64>::new("log", Utf8, Be64));
    /// let mut driver = TopologyTestDriver::new({
    ///     let (prices, log) = (prices.clone(), log.clone());
    ///     move |b| b.table_from_changelog(&prices, "prices").to_stream().to(&log)
    /// });
    /// driver.pipe(&prices, "tea".to_string(), 3_i64, 0);
    /// assert_eq!(driver.values(&log), [3]);
    /// ```
    pub fn table_from_changelog<K, V>(&self, topic: &Topic<K, V>, store: impl Into<Arc<str>>) -> Table<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let store = Store::of(store.into(), topic.key.clone(), topic.value.clone());
        let mut graph = self.graph.borrow_mut();
        let id = graph.source_store(&store.name, &topic.name);
        let store = KeyValueStore::new(id, store, &graph.clock);
        graph.set_store(id, Rc::new(SourceRows::new(store.clone(), topic)));
        drop(graph);
        self.table_in(topic, store)
    }

    fn table_in<K, V>(&self, topic: &Topic<K, V>, store: KeyValueStore<K, V>) -> Table<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let node = self.graph.borrow_mut().node(NodeKind::Source(topic.name.clone()), &[]);
        self.graph.borrow_mut().connect(store.store_id(), node);
        let children: Tee<K, Change<V>> = Tee::default();
        let timestamp = timestamp_of_row(topic);
        let moves_clock = topic.timestamp.is_some() || topic.watermark.is_some();
        let feed = {
            let (topic, children, store) = (topic.clone(), children.clone(), store.clone());
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
                let old = if children.wants_old() { store.get(&key) } else { None };
                match &new {
                    Some(value) => store.put(key.clone(), value.clone(), timestamp),
                    None => store.delete(key.clone(), timestamp),
                }
                children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
            }
        };
        self.feed(node, topic.name.clone(), timestamp, moves_clock, feed);
        Table::new(self, node, children, Some(store))
    }

    /// A store for processors to use; see [`Stream::process`]. What is put last for a key is its row, whatever its timestamp.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// /// Forwards what is new.
    /// struct Changed(KeyValueStore<String, i64>);
    ///
    /// impl Processor for Changed {
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
    ///         if self.0.get(&record.key) == Some(record.value) {
    ///             return Ok(());
    ///         }
    ///         self.0.put(record.key.clone(), record.value, record.timestamp);
    ///         context.forward(record)
    ///     }
    /// }
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let last = b.store(Store::new("last", Utf8, Be64));
    ///     b.stream(&i).process("changed", Changed(last.clone()), &[&last]).to(&o)
    /// });
    /// for value in [1, 1, 2] {
    ///     driver.pipe(&input, "a".to_string(), value, 0);
    /// }
    /// assert_eq!(driver.values(&output), [1, 2]);
    /// ```
    pub fn store<K, V>(&self, store: Store<K, V>) -> KeyValueStore<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let mut graph = self.graph.borrow_mut();
        let id = graph.store(&store.name);
        let store = KeyValueStore::new(id, store, &graph.clock);
        graph.set_store(id, store.erased());
        store
    }

    pub(super) fn feed(
        &self,
        node: NodeId,
        topic: Arc<str>,
        timestamp: Option<TimestampOf>,
        moves_clock: bool,
        feed: impl Fn(&mut Context<'_>, &mut Message<'_>) -> Result<(), ProcessError> + 'static,
    ) {
        let mut graph = self.graph.borrow_mut();
        graph.sources.push(Source { node, topic, feed: Box::new(feed), timestamp, moves_clock });
    }
}

/// What reads the event time of a table's record before its turn, where it is not Kafka's.
pub(super) fn timestamp_of_row<K: 'static, V: 'static>(topic: &Topic<K, V>) -> Option<TimestampOf> {
    let (extractor, topic) = (topic.timestamp.clone()?, topic.clone());
    Some(Box::new(move |message| {
        let key = topic.key.decode(message.key?).ok()?;
        let value = topic.value.decode(message.value?).ok()?;
        Some(extractor(&key, &value, message.timestamp))
    }))
}

/// Reads a record by the topic's serdes.
#[inline(always)]
fn read<K: 'static, V: 'static>(topic: &Topic<K, V>, message: &mut Message<'_>) -> Result<Record<K, V>, ProcessError> {
    Ok(Record {
        key: decode(&*topic.key, message.key).map_err(|e| unreadable("key", &e))?,
        value: decode(&*topic.value, message.value).map_err(|e| unreadable("value", &e))?,
        timestamp: message.timestamp,
        headers: std::mem::take(&mut message.headers),
    })
}

/// A record's event time, after which the clock has come to what the record promises.
pub(super) fn time_of<K, V>(
    topic: &Topic<K, V>,
    context: &Context<'_>,
    key: &K,
    value: Option<&V>,
    kafka: Timestamp,
) -> Timestamp {
    let timestamp = match (&topic.timestamp, value) {
        (Some(extractor), Some(value)) => extractor(key, value, kafka),
        _ => kafka,
    };
    let promised = topic.watermark.as_ref().map(|watermark| watermark.of(key, value, timestamp));
    context.clock.advance_sources(promised.unwrap_or(timestamp));
    timestamp
}

pub(super) fn unreadable(part: &str, error: &crate::serde::SerdeError) -> ProcessError {
    ProcessError::of_serde(RecordErrorKind::Read, &format!("the {part} cannot be read"), error)
}
