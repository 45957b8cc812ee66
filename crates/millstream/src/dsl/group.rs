use std::hash::Hash;

use super::emit::on_commit;
use super::fold::{RowFold, fold_all};
use super::late::Late;
use super::{Change, Emit, Stream, Table};
use crate::processor::Tee;
use crate::state::{Connect, Store};
use crate::topic::Topic;
use crate::topology::NodeKind;

/// A stream whose records of one key are together in one partition, ready to be aggregated.
pub struct GroupedStream<K, V> {
    pub(super) stream: Stream<K, V>,
    emit: Emit,
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Groups by another key: writes the records to the repartition topic `<application_id>-<name>-repartition`, named
    /// and written by `topic`, and reads them there again. Timestamps and headers stay.
    ///
    /// Records of one partition keep their order, late and repeated ones too; null values are values. Those that get a null
    /// key are spread over the partitions, and aggregated in each apart: filter them out first.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Unit, Utf8), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i)
    ///         .group_by(Topic::new("by-word", Utf8, Utf8), |_, word| word.clone())
    ///         .count(Store::new("counts", Utf8, Be64))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for word in ["a", "b", "a"] {
    ///     driver.pipe(&input, (), word.to_string(), 0);
    /// }
    /// let counts = [("a", 1), ("b", 1), ("a", 2)].map(|(word, n)| (word.to_string(), Some(n)));
    /// assert_eq!(driver.entries(&output), counts);
    /// ```
    pub fn group_by<L: Clone + 'static>(
        &self,
        topic: Topic<L, V>,
        key: impl Fn(&K, &V) -> L + 'static,
    ) -> GroupedStream<L, V> {
        let keyed = self.then("key-by", true, move |context, record, children: &Tee<L, V>| {
            let key = key(&record.key, &record.value);
            children.push(context, record.with_key(key))
        });
        GroupedStream { stream: keyed.repartition(topic), emit: Emit::OnUpdate }
    }

    /// Groups by the key as it is. Records keep their order, late and repeated ones too; null values are values. Records with
    /// a null key are in any partition, and aggregated in each apart: filter them out first.
    ///
    /// After an operator that may have changed the key this is an error: use [`Stream::group_by`], or
    /// [`Stream::repartition`] first.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).group_by_key().reduce(Store::new("sums", Utf8, Be64), |a, b| a + b).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// assert_eq!(driver.values(&output), [2, 5]);
    /// ```
    pub fn group_by_key(&self) -> GroupedStream<K, V> {
        self.require_unchanged_key("group_by_key()");
        GroupedStream {
            stream: self.then("group-by-key", false, |context, record, children| children.push(context, record)),
            emit: Emit::OnUpdate,
        }
    }

    /// Writes the records to the repartition topic `<application_id>-<name>-repartition`, named and written by
    /// `topic`, each to its key's partition, and reads them there again. Timestamps and headers stay, and so does the order of
    /// the records of one partition, late and repeated ones too. Those with a null key are spread; null values are values.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Unit, Utf8), Topic::new("out", Utf8, Utf8));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).map(|_, v| (v.clone(), v)).repartition(Topic::new("by-value", Utf8, Utf8)).to(&o)
    /// });
    /// driver.pipe(&input, (), "a".to_string(), 0);
    /// assert_eq!(driver.entries(&output), [("a".to_string(), Some("a".to_string()))]);
    /// ```
    pub fn repartition(&self, topic: Topic<K, V>) -> Stream<K, V> {
        let name = self.repartition_topic(&topic);
        self.write(&name, &topic, None);
        self.builder.source(&topic, name)
    }

    pub(super) fn require_unchanged_key(&self, operator: &str) {
        if self.key_changed {
            let mut graph = self.builder.graph.borrow_mut();
            let node = graph.name(self.node);
            graph.errors.push(format!(
                "{operator} after {node}: the key may not be the one that chose the partition, so records of one key \
                 may be in several; call repartition() first (or group_by() to group by another key)"
            ));
        }
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> GroupedStream<K, V> {
    /// The same, passing on results at another time than with each update; see [`Emit`]. Without windows there is none to close:
    /// [`Emit::OnWindowClose`] is an error of the topology here. For windows say it after [`GroupedStream::windowed_by`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     // Each number stands for as many records, all in one commit.
    ///     let ones = b.stream(&i).flat_map_values(|n: i64| vec![1; n as usize]);
    ///     ones.group_by_key().emit(Emit::OnCommit).count(Store::new("counts", Utf8, Be64)).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// assert_eq!(driver.values(&output), [3, 5]);
    /// ```
    pub fn emit(self, emit: Emit) -> Self {
        GroupedStream { emit, ..self }
    }

    /// Counts the records of each key. An older record, a repeated one, and one with a null value count as any other, and each
    /// yields an update; the count's time is the largest timestamp among its records. See [`Stream::group_by`] for an example.
    pub fn count(&self, store: Store<K, i64>) -> Table<K, i64> {
        self.fold("count", store, |_, _, count| *count.get_or_insert(0) += 1)
    }

    /// Combines the values of each key, in the order of their partition: `reducer(so far, next)`; the first value is
    /// taken as it is. All else is as with [`GroupedStream::count`]. See [`Stream::group_by_key`] for an example.
    pub fn reduce(&self, store: Store<K, V>, reducer: impl Fn(&V, V) -> V + 'static) -> Table<K, V> {
        self.fold("reduce", store, move |_, value, so_far| {
            *so_far = Some(match so_far {
                Some(before) => reducer(before, value),
                None => value,
            });
        })
    }

    /// Folds the values of each key into an aggregate of another type, in the order of their partition. All else is as with
    /// [`GroupedStream::count`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, Vec<i64>>::new("out", Utf8, Json));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i)
    ///         .group_by_key()
    ///         .aggregate(Store::new("lists", Utf8, Json), Vec::new, |_, value: i64, list| list.push(value))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// assert_eq!(driver.values(&output), [vec![2], vec![2, 3]]);
    /// ```
    pub fn aggregate<A: Clone + 'static>(
        &self,
        store: Store<K, A>,
        init: impl Fn() -> A + 'static,
        aggregator: impl Fn(&K, V, &mut A) + 'static,
    ) -> Table<K, A> {
        self.fold("aggregate", store, move |key, value, aggregate| {
            aggregator(key, value, aggregate.get_or_insert_with(&init));
        })
    }

    fn fold<A: Clone + 'static>(
        &self,
        operator: &'static str,
        store: Store<K, A>,
        step: impl Fn(&K, V, &mut Option<A>) + 'static,
    ) -> Table<K, A> {
        let builder = &self.stream.builder;
        let store = builder.store(store);
        let emit = self.emit;
        let node = builder.graph.borrow_mut().node(NodeKind::Processor(operator), &[self.stream.node]);
        let changes: Stream<K, Change<A>> = Stream::new(builder, node, self.stream.key_changed);
        let fold = RowFold::new(store.clone(), emit, changes.children.clone());
        fold_all(&self.stream.children, fold, Late::of(node), step);
        builder.graph.borrow_mut().connect(store.store_id(), changes.node);
        match emit {
            Emit::OnUpdate => {}
            Emit::OnCommit => {
                let rows = store.clone();
                on_commit(builder, changes.node, &changes.children, move || rows.changed());
            }
            Emit::OnWindowClose => {
                let mut graph = builder.graph.borrow_mut();
                let node = graph.name(changes.node);
                graph.errors.push(format!("{node} emits on window close, but has no windows; call windowed_by()"));
            }
        }
        Table::new(builder, changes.node, changes.children, Some(store))
    }
}
