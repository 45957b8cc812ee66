use std::cell::Cell;
use std::sync::Arc;

use super::Stream;
use crate::topic::Topic;

/// Ways to spread a stream over tasks through a repartition topic, other than by the key: Storm's groupings. The topic is
/// named `<application_id>-<name>-repartition`; timestamps and headers stay.
impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Spreads the records evenly over all partitions, whatever their keys: for costly work that needs no grouping.
    ///
    /// Records of one key lose their order, and an operator that groups or joins by key after it is an error. Null keys and
    /// values, late and repeated records are as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_partitions(3, move |b| {
    ///     b.stream(&i).shuffle(Topic::new("spread", Unit, Be64)).map_values(|v| v * 10).to(&o)
    /// });
    /// for value in 0..9 {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// let spread = Topic::<(), i64>::new("test-spread-repartition", Unit, Be64);
    /// assert!(driver.records_by_partition(&spread).iter().all(|partition| partition.len() == 3));
    /// assert_eq!(driver.values(&output).into_iter().sum::<i64>(), 360);
    /// ```
    pub fn shuffle(&self, topic: Topic<K, V>) -> Stream<K, V> {
        let name = self.repartition_topic(&topic);
        // Only a hint: where a record goes says nothing about results.
        let next = Cell::new(0_i32);
        self.write_with(&name, &topic, move |sending| {
            let turn = next.replace(next.get().wrapping_add(1));
            sending.send(|_, partitions| Some(turn.rem_euclid(partitions)))
        });
        self.read_back(&topic, name, true)
    }

    /// Gives every record to every partition (Storm's all grouping): for what all tasks must know.
    ///
    /// Each partition gets the records of one of this stream's partitions in their order. An operator that groups or joins
    /// by key after it is an error: every task would count the same. Null keys and values, late and repeated records are as any
    /// other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_partitions(3, move |b| {
    ///     b.stream(&i).broadcast(Topic::new("to-all", Unit, Be64)).to(&o)
    /// });
    /// driver.pipe(&input, (), 7, 0);
    /// assert_eq!(driver.values(&output), [7, 7, 7]);
    /// ```
    pub fn broadcast(&self, topic: Topic<K, V>) -> Stream<K, V> {
        let name = self.repartition_topic(&topic);
        self.write_with(&name, &topic, |sending| {
            (0..sending.partitions()?).try_for_each(|partition| sending.send(|_, _| Some(partition)))
        });
        self.read_back(&topic, name, true)
    }

    /// Gives all records to one task, through a topic of one partition: for what must be seen as a whole. That task is the
    /// limit of what can be processed.
    ///
    /// Records keep their key, and can be grouped by it, null keys included. Those of one partition keep their order, late and
    /// repeated ones too; null values are values.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_partitions(3, move |b| {
    ///     b.stream(&i)
    ///         .map(|_, v| ((), v))
    ///         .global(Topic::new("all", Unit, Be64))
    ///         .group_by_key()
    ///         .count(Store::new("count", Unit, Be64))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for key in ["a", "b", "c"] {
    ///     driver.pipe(&input, key.to_string(), 1, 0);
    /// }
    /// assert_eq!(driver.values(&output).into_iter().max(), Some(3));
    /// ```
    pub fn global(&self, topic: Topic<K, V>) -> Stream<K, V> {
        self.repartition(topic.partitions(1))
    }

    /// Gives each record to the partition that `partition` chooses from its key, its value and the count of partitions
    /// (Storm's direct grouping). One that does not exist is an error of the record. Null keys and values are for `partition` to
    /// look at; records that go the same way keep their order, late and repeated ones too.
    ///
    /// As the value may decide, an operator that groups or joins by key after it is an error; see
    /// [`Stream::repartition_by`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let input = Topic::<_, i64>::new("in", Unit, Be64);
    /// # let i = input.clone();
    /// let mut driver = TopologyTestDriver::with_partitions(3, move |b| {
    ///     b.stream(&i).direct(Topic::new("urgent-first", Unit, Be64), |_, urgency, _| if *urgency > 9 { 0 } else { 1 });
    /// });
    /// for urgency in [1, 10, 2] {
    ///     driver.pipe(&input, (), urgency, 0);
    /// }
    /// let chosen = Topic::<(), i64>::new("test-urgent-first-repartition", Unit, Be64);
    /// let counts: Vec<usize> = driver.records_by_partition(&chosen).iter().map(Vec::len).collect();
    /// assert_eq!(counts, [1, 2, 0]);
    /// ```
    pub fn direct(&self, topic: Topic<K, V>, partition: impl Fn(&K, &V, i32) -> i32 + 'static) -> Stream<K, V> {
        let name = self.repartition_topic(&topic);
        // A `V` is never written as None.
        let chosen = move |key: &K, value: Option<&V>, count| value.map_or(0, |value| partition(key, value, count));
        self.write(&name, &topic, Some(Box::new(chosen)));
        self.read_back(&topic, name, true)
    }

    /// As [`Stream::repartition`], with a partition that `partition` chooses from the key and the count of partitions. As it
    /// follows from the key alone, records can be grouped by key, null keys included; to be joined, the other side must be spread
    /// alike. Order, null values and repeated records are as with [`Stream::repartition`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<i64, i64>::new("in", Be64, Be64), Topic::<i64, i64>::new("out", Be64, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_partitions(3, move |b| {
    ///     b.stream(&i)
    ///         .repartition_by(Topic::new("by-range", Be64, Be64), |key, partitions| (*key / 100) as i32 % partitions)
    ///         .group_by_key()
    ///         .count(Store::new("counts", Be64, Be64))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for key in [5, 105, 5] {
    ///     driver.pipe(&input, key, 0, 0);
    /// }
    /// let mut counts = driver.entries(&output);
    /// counts.sort();
    /// assert_eq!(counts, [(5, Some(1)), (5, Some(2)), (105, Some(1))]);
    /// ```
    pub fn repartition_by(&self, topic: Topic<K, V>, partition: impl Fn(&K, i32) -> i32 + 'static) -> Stream<K, V> {
        let name = self.repartition_topic(&topic);
        self.write(&name, &topic, Some(Box::new(move |key, _: Option<&V>, count| partition(key, count))));
        self.read_back(&topic, name, false)
    }

    pub(super) fn repartition_topic(&self, topic: &Topic<K, V>) -> Arc<str> {
        let mut graph = self.builder.graph.borrow_mut();
        let name = graph.repartition(&topic.name);
        if let Some(partitions) = topic.partitions {
            graph.set_partitions(&name, partitions);
        }
        name
    }

    /// The stream of what was written; `key_changed` if the partition does not follow from the key.
    pub(super) fn read_back(&self, topic: &Topic<K, V>, name: Arc<str>, key_changed: bool) -> Stream<K, V> {
        let mut stream = self.builder.source(topic, name);
        stream.key_changed = key_changed;
        stream
    }
}
