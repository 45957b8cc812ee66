use std::hash::Hash;
use std::sync::Arc;

use super::{Change, Stream, Table};
use crate::broker::Message;
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::serde::decode;
use crate::state::{Connect, KeyValueStore, Store};
use crate::topic::Topic;
use crate::topology::{NodeId, NodeKind, TopologyBuilder};

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
        let feed = move |context: &mut Context<'_>, message: Message<'_>| {
            let record = Record {
                key: decode(&*topic.key, message.key).map_err(|e| unreadable("key", &e))?,
                value: decode(&*topic.value, message.value).map_err(|e| unreadable("value", &e))?,
                timestamp: message.timestamp,
                headers: message.headers,
            };
            children.push(context, record)
        };
        self.feed(node, name, feed);
        stream
    }

    /// A table of a topic: the last value of each key, kept in `store`.
    ///
    /// A null value deletes its key. A record without key is skipped, as it could be in any partition. Among records of
    /// one key the last in the partition wins, also when its timestamp is older.
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
        let node = self.graph.borrow_mut().node(NodeKind::Source(topic.name.clone()), &[]);
        let store = self.store(store);
        self.graph.borrow_mut().connect(store.store_id(), node);
        let children: Tee<K, Change<V>> = Tee::default();
        let feed = {
            let (topic, children, store) = (topic.clone(), children.clone(), store.clone());
            move |context: &mut Context<'_>, message: Message<'_>| {
                let Some(key) = message.key else {
                    return Ok(());
                };
                let key = topic.key.decode(key).map_err(|e| unreadable("key", &e))?;
                let new = message.value.map(|bytes| topic.value.decode(bytes)).transpose();
                let new = new.map_err(|e| unreadable("value", &e))?;
                let old = store.get(&key);
                match &new {
                    Some(value) => store.put(key.clone(), value.clone(), message.timestamp),
                    None => store.delete(key.clone(), message.timestamp),
                }
                let (timestamp, headers) = (message.timestamp, message.headers);
                children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
            }
        };
        self.feed(node, topic.name.clone(), feed);
        Table::new(self, node, children, Some(store))
    }

    /// A store for processors to use; see [`Stream::process`].
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
        feed: impl Fn(&mut Context<'_>, Message<'_>) -> Result<(), ProcessError> + 'static,
    ) {
        let name = self.graph.borrow().name(node);
        let feed = move |context: &mut Context<'_>, message: Message<'_>| {
            feed(context, message).map_err(|error| error.at(&name))
        };
        self.graph.borrow_mut().source(node, topic, Box::new(feed));
    }
}

pub(super) fn unreadable(part: &str, error: &crate::serde::SerdeError) -> ProcessError {
    ProcessError::new(format!("the {part} cannot be read: {error}"))
}
