use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;

use super::{Stream, Table};
use crate::partitioner::two_partitions_of;
use crate::processor::Tee;
use crate::record::{Headers, Record};
use crate::state::{PartialRows, Store};
use crate::topic::Topic;
use crate::topology::NodeKind;

/// A stream whose records of one key are in one of two partitions: ready to be aggregated in part.
///
/// What a task has of a key is not all of it, so there is no table here: see [`PartialAggregates::merge`].
pub struct PartialGroupedStream<K, V> {
    stream: Stream<K, V>,
}

/// Aggregates of parts of the records of each key, to be merged.
pub struct PartialAggregates<K, A> {
    parts: Stream<K, A>,
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Groups by the key, but gives each key two tasks (Storm's partial key grouping): a key that is much more frequent than
    /// others does not load one task alone. Each record goes, through the repartition topic
    /// `<application_id>-<name>-repartition`, to the one of its key's two partitions to which this task has sent less.
    ///
    /// Each task aggregates what it gets until the next commit, and then sends one partial aggregate of each key on, by a
    /// second repartition topic; there they are merged. So the order of a key's records is lost, and the aggregation must
    /// not depend on it. Late and repeated records and null values are as any other. Records with a null key are spread over all
    /// tasks, and so are their parts: filter them out first.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_partitions(4, move |b| {
    ///     b.stream(&i)
    ///         .partial_key(Topic::new("spread", Utf8, Be64))
    ///         .aggregate(|| 0, |_, value: i64, sum| *sum += value)
    ///         .merge(Topic::new("sums", Utf8, Be64), Store::new("sums", Utf8, Be64), |a, b| a + b)
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe_all(&input, (1..=100).map(|n| Record::new("hot".to_string(), Some(n), n)));
    /// assert_eq!(driver.values(&output).last(), Some(&5050));
    /// let spread = Topic::<String, i64>::new("test-spread-repartition", Utf8, Be64);
    /// let mut counts: Vec<usize> = driver.records_by_partition(&spread).iter().map(Vec::len).collect();
    /// counts.sort();
    /// assert_eq!(counts, [0, 0, 50, 50]);
    /// ```
    pub fn partial_key(&self, topic: Topic<K, V>) -> PartialGroupedStream<K, V> {
        let name = self.repartition_topic(&topic);
        // Only a hint: which of the two gets a record says nothing about results.
        let sent: RefCell<Vec<u64>> = RefCell::default();
        self.write_with(&name, &topic, move |sending| {
            sending.send(|key, partitions| {
                let mut sent = sent.borrow_mut();
                sent.resize(partitions as usize, 0);
                let (first, second) = two_partitions_of(key?, partitions);
                let chosen = if sent[second as usize] < sent[first as usize] { second } else { first };
                sent[chosen as usize] += 1;
                Some(chosen)
            })
        });
        PartialGroupedStream { stream: self.read_back(&topic, name, true) }
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> PartialGroupedStream<K, V> {
    /// Counts the records of each key. See [`Stream::partial_key`] for an example.
    pub fn count(&self) -> PartialAggregates<K, i64> {
        self.fold("partial-count", |_, _, count| *count.get_or_insert(0) += 1)
    }

    /// Combines the values of each key: `reducer(so far, next)`; the first value of a part is taken as it is. See
    /// [`Stream::partial_key`] for an example.
    pub fn reduce(&self, reducer: impl Fn(&V, V) -> V + 'static) -> PartialAggregates<K, V> {
        self.fold("partial-reduce", move |_, value, so_far| {
            *so_far = Some(match so_far {
                Some(before) => reducer(before, value),
                None => value,
            });
        })
    }

    /// Folds the values of each key into an aggregate of another type; each part begins with `init`. See
    /// [`Stream::partial_key`] for an example.
    pub fn aggregate<A: Clone + 'static>(
        &self,
        init: impl Fn() -> A + 'static,
        aggregator: impl Fn(&K, V, &mut A) + 'static,
    ) -> PartialAggregates<K, A> {
        self.fold("partial-aggregate", move |key, value, aggregate| {
            aggregator(key, value, aggregate.get_or_insert_with(&init));
        })
    }

    fn fold<A: Clone + 'static>(
        &self,
        operator: &'static str,
        step: impl Fn(&K, V, &mut Option<A>) + 'static,
    ) -> PartialAggregates<K, A> {
        let builder = &self.stream.builder;
        let node = builder.graph.borrow_mut().node(NodeKind::Processor(operator), &[self.stream.node]);
        let parts: Stream<K, A> = Stream::new(builder, node, true);
        let rows = Rc::new(PartialRows::default());
        let (taking, children): (_, Tee<K, A>) = (rows.clone(), parts.children.clone());
        self.stream.children.add(node.0, move |_, record| {
            let Record { key, value, timestamp, .. } = record;
            taking.update(key, timestamp, |key, aggregate| step(key, value, aggregate));
            Ok(())
        });
        let pushing = rows.clone();
        let mut graph = builder.graph.borrow_mut();
        graph.transient(node, rows);
        graph.before_commit(node, move |context| {
            pushing.take().try_for_each(|(key, value, timestamp)| {
                children.push(context, Record { key, value, timestamp, headers: Headers::default() })
            })
        });
        drop(graph);
        PartialAggregates { parts }
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> PartialAggregates<K, A> {
    /// Merges the parts of each key, brought together by the repartition topic `<application_id>-<name>-repartition`:
    /// `merger(so far, part)`, in the order in which they come. Each part yields an update, also one that changes nothing. The
    /// time of a result is the largest timestamp of its
    /// records. See [`Stream::partial_key`] for an example.
    pub fn merge(&self, topic: Topic<K, A>, store: Store<K, A>, merger: impl Fn(&A, A) -> A + 'static) -> Table<K, A> {
        self.parts.repartition(topic).group_by_key().reduce(store, merger)
    }
}
