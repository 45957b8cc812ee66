use std::sync::Arc;

use super::Stream;
use crate::broker::TopicId;
use crate::processor::{Context, ProcessError, by_key};
use crate::record::Record;
use crate::serde::Serde;
use crate::topic::Topic;
use crate::topology::NodeKind;

/// A value that can be written to a topic of `V`: a `V`, or an `Option<V>` whose `None` is a tombstone (null).
pub trait SinkValue<V> {
    /// The value, or `None` for null.
    fn into_value(self) -> Option<V>;
}

impl<V> SinkValue<V> for V {
    fn into_value(self) -> Option<V> {
        Some(self)
    }
}

impl<V> SinkValue<V> for Option<V> {
    fn into_value(self) -> Option<V> {
        self
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Writes the records to a topic, each to its key's partition (murmur2, as Kafka's Java client); those with a null
    /// key are spread. A `None` value is written as a tombstone. Order within a key stays, late and repeated ones included.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).to(&o));
    /// driver.pipe(&input, "a".to_string(), 1, 0);
    /// assert_eq!(driver.entries(&output), [("a".to_string(), Some(1))]);
    /// ```
    pub fn to<W: 'static>(&self, topic: &Topic<K, W>)
    where
        V: SinkValue<W>,
    {
        self.write(&topic.name, topic, None);
    }

    /// Writes the records to a topic, each to the partition that `partitioner` chooses from its key, its value (`None`
    /// for a tombstone) and the count of partitions. One that does not exist is an error of the record. Null keys
    /// go where it says, too; records of one partition keep their order, late and repeated ones included.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).to_partition(&o, |_, _, partitions| partitions - 1));
    /// driver.pipe(&input, (), 7, 0);
    /// assert_eq!(driver.values(&output), [7]);
    /// ```
    pub fn to_partition<W: 'static>(
        &self,
        topic: &Topic<K, W>,
        partitioner: impl Fn(&K, Option<&W>, i32) -> i32 + 'static,
    ) where
        V: SinkValue<W>,
    {
        self.write(&topic.name, topic, Some(Box::new(partitioner)));
    }

    /// Writes each record to the topic that `name` chooses for it (Kafka Streams' `TopicNameExtractor`), to its key's
    /// partition. The topics must exist: one that does not is an error. Null keys and values, order and repeated records are as
    /// with [`Stream::to`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, even) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("even", Unit, Be64));
    /// # let i = input.clone();
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).to_chosen(Unit, Be64, |_, v: Option<&i64>| if v == Some(&2) { "even" } else { "odd" }.to_string())
    /// });
    /// driver.create_topic("even");
    /// driver.pipe(&input, (), 2, 0);
    /// assert_eq!(driver.values(&even), [2]);
    /// ```
    pub fn to_chosen<W: 'static>(
        &self,
        key: impl Serde<K>,
        value: impl Serde<W>,
        name: impl Fn(&K, Option<&W>) -> String + 'static,
    ) where
        V: SinkValue<W>,
    {
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.node(NodeKind::DynamicSink, &[self.node]);
        let (key, value): (Arc<dyn Serde<K>>, Arc<dyn Serde<W>>) = (Arc::new(key), Arc::new(value));
        graph.check_sink(&"chosen by each record".into(), key.clone(), value.clone());
        drop(graph);
        self.children.add(node.0, move |context, record| {
            let record = into_outgoing(record);
            let topic = name(&record.key, record.value.as_ref());
            let topic = context.output.producer.topic(&topic)?;
            send(context, topic, (&*key, &*value), &record, None)
        });
    }

    /// Writes the records to the topic `name`, with the serdes of `topic`.
    pub(super) fn write<W: 'static>(&self, name: &Arc<str>, topic: &Topic<K, W>, partitioner: Option<Partitioner<K, W>>)
    where
        V: SinkValue<W>,
    {
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.node(NodeKind::Sink(name.clone()), &[self.node]);
        let id = graph.topic(name);
        graph.check_sink(name, topic.key.clone(), topic.value.clone());
        drop(graph);
        let (key, value) = (topic.key.clone(), topic.value.clone());
        self.children.add(node.0, move |context, record| {
            let record = into_outgoing(record);
            send(context, id, (&*key, &*value), &record, partitioner.as_deref())
        });
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Writes the records to the topic `name`, with the serdes of `topic`; `send` says how often, and where to.
    pub(super) fn write_with(
        &self,
        name: &Arc<str>,
        topic: &Topic<K, V>,
        send: impl Fn(&mut Sending<'_, '_, K, V>) -> Result<(), ProcessError> + 'static,
    ) {
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.node(NodeKind::Sink(name.clone()), &[self.node]);
        let id = graph.topic(name);
        graph.check_sink(name, topic.key.clone(), topic.value.clone());
        drop(graph);
        let topic = topic.clone();
        self.children.add(node.0, move |context, record| {
            let record = into_outgoing(record);
            send(&mut Sending { context, id, topic: &topic, record: &record })
        });
    }
}

/// A record on its way to a topic.
pub(super) struct Sending<'s, 'c, K, V> {
    context: &'s mut Context<'c>,
    id: TopicId,
    topic: &'s Topic<K, V>,
    record: &'s Record<K, Option<V>>,
}

impl<K: 'static, V: 'static> Sending<'_, '_, K, V> {
    /// How many partitions the topic has.
    pub(super) fn partitions(&mut self) -> Result<i32, ProcessError> {
        Ok(self.context.output.producer.partitions(self.id)?)
    }

    /// Sends the record to the partition that `choose` says, given the key's bytes and the count of partitions.
    pub(super) fn send(&mut self, choose: impl FnOnce(Option<&[u8]>, i32) -> Option<i32>) -> Result<(), ProcessError> {
        let Topic { key, value, .. } = self.topic;
        self.context.output.send(self.id, &**key, &**value, self.record, choose)
    }
}

type ChoosePartition<K, W> = dyn Fn(&K, Option<&W>, i32) -> i32;
type Partitioner<K, W> = Box<ChoosePartition<K, W>>;

fn into_outgoing<K, V: SinkValue<W>, W>(record: Record<K, V>) -> Record<K, Option<W>> {
    let Record { key, value, timestamp, headers } = record;
    Record { key, value: value.into_value(), timestamp, headers }
}

fn send<K: 'static, W: 'static>(
    context: &mut Context<'_>,
    topic: TopicId,
    (key, value): (&dyn Serde<K>, &dyn Serde<W>),
    record: &Record<K, Option<W>>,
    partitioner: Option<&ChoosePartition<K, W>>,
) -> Result<(), ProcessError> {
    let Some(partitioner) = partitioner else {
        return context.output.send(topic, key, value, record, |bytes, partitions| by_key(key, bytes, partitions));
    };
    let partitions = context.output.producer.partitions(topic)?;
    let chosen = partitioner(&record.key, record.value.as_ref(), partitions);
    if !(0..partitions).contains(&chosen) {
        return Err(ProcessError::new(format!(
            "the partitioner chose partition {chosen}; the topic has the partitions 0 to {}",
            partitions - 1
        )));
    }
    context.output.send(topic, key, value, record, |_, _| Some(chosen))
}
