mod joining;

use std::hash::Hash;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use joining::{Join, JoinBounds, Outer};

use super::late::Late;
use super::{Stream, TopologyBuilder};
use crate::serde::Serde;
use crate::state::{JoinWindowStore, StateStore, Store, StoreId, UnjoinedStore};
use crate::topology::{NodeId, NodeKind};
use crate::window::JoinWindows;

/// What a windowed join keeps: the name that its stores begin with, and how keys and the values of both streams are
/// written to their changelogs.
///
/// The changelogs are named as Kafka Streams names them after `StreamJoined.withStoreName`:
/// `<application_id>-<name>-this-join-store-changelog` and so on. Choose the name once; a new name is a new, empty join.
pub struct JoinStores<K, V, W> {
    name: Arc<str>,
    key: Arc<dyn Serde<K>>,
    this: Arc<dyn Serde<V>>,
    other: Arc<dyn Serde<W>>,
}

impl<K, V, W> JoinStores<K, V, W> {
    /// Stores whose names begin with `name`; `this` writes the values of the stream that is joined, `other` those of the
    /// stream that it is joined with.
    pub fn new(name: impl Into<Arc<str>>, key: impl Serde<K>, this: impl Serde<V>, other: impl Serde<W>) -> Self {
        JoinStores { name: name.into(), key: Arc::new(key), this: Arc::new(this), other: Arc::new(other) }
    }

    fn store<T>(&self, suffix: &str, value: &Arc<dyn Serde<T>>) -> Store<K, T> {
        Store::of(format!("{}-{suffix}", self.name).into(), self.key.clone(), value.clone())
    }
}

/// The results of a windowed join: a [`Stream`], and beside it the records that came too late.
///
/// A record is late when its own stream is so far ahead that it is not kept: older than the newest one by the whole
/// window and the grace. It still meets what is here of the other stream, but nothing that comes after it.
pub struct WindowedJoin<K, V, W, R> {
    results: Stream<K, R>,
    late: Late<K, V>,
    other_late: Late<K, W>,
}

impl<K: Clone + 'static, V: Clone + 'static, W: Clone + 'static, R> WindowedJoin<K, V, W, R> {
    /// The late records of the stream whose method was called, as they were.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (orders, payments) = (Topic::<_, i64>::new("orders", Utf8, Be64), Topic::<_, i64>::new("payments", Utf8, Be64));
    /// # let late = Topic::<_, i64>::new("late", Utf8, Be64);
    /// # let (o, p, l) = (orders.clone(), payments.clone(), late.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windows = JoinWindows::of_time_difference(Duration::from_millis(10));
    ///     let stores = JoinStores::new("paid", Utf8, Be64, Be64);
    ///     let joined = b.stream(&o).join_windowed(&b.stream(&p), windows, stores, |order, paid| order - paid);
    ///     joined.late().to(&l)
    /// });
    /// for (value, timestamp) in [(1, 100), (2, 81), (3, 80)] {
    ///     driver.pipe(&orders, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.values(&late), [3]);
    /// ```
    pub fn late(&self) -> Stream<K, V> {
        self.late.stream(&self.results.builder, false)
    }

    /// The late records of the stream that it was joined with, as they were.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (orders, payments) = (Topic::<_, i64>::new("orders", Utf8, Be64), Topic::<_, i64>::new("payments", Utf8, Be64));
    /// # let late = Topic::<_, i64>::new("late", Utf8, Be64);
    /// # let (o, p, l) = (orders.clone(), payments.clone(), late.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windows = JoinWindows::of_time_difference(Duration::from_millis(10));
    ///     let stores = JoinStores::new("paid", Utf8, Be64, Be64);
    ///     let joined = b.stream(&o).join_windowed(&b.stream(&p), windows, stores, |order, paid| order - paid);
    ///     joined.other_late().to(&l)
    /// });
    /// driver.pipe(&payments, "a".to_string(), 1, 100);
    /// driver.pipe(&orders, "a".to_string(), 2, 0);
    /// driver.pipe(&payments, "a".to_string(), 3, 0);
    /// assert_eq!(driver.values(&late), [3]);
    /// ```
    pub fn other_late(&self) -> Stream<K, W> {
        self.other_late.stream(&self.results.builder, false)
    }
}

impl<K, V, W, R> Deref for WindowedJoin<K, V, W, R> {
    type Target = Stream<K, R>;

    fn deref(&self) -> &Stream<K, R> {
        &self.results
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Joins each record with those of the other stream that have the same key and a timestamp within `windows`: each pair
    /// once, when the later of the two comes, with the larger of the two timestamps. Both streams must have the keys that
    /// chose their partitions, and as many partitions.
    ///
    /// Records come in any order, also of one key and time, and all count. A record that comes late by the whole window and
    /// the grace is counted as late and not kept for others. A null key or value (a `None` of
    /// [`Nullable`](crate::serde::Nullable)) is dropped: it has nothing to be joined by.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (orders, payments) = (Topic::<_, i64>::new("orders", Utf8, Be64), Topic::<_, i64>::new("payments", Utf8, Be64));
    /// # let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// # let (o, p, out) = (orders.clone(), payments.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windows = JoinWindows::of_time_difference(Duration::from_millis(10));
    ///     let stores = JoinStores::new("paid", Utf8, Be64, Be64);
    ///     b.stream(&o).join_windowed(&b.stream(&p), windows, stores, |order, paid| order - paid).to(&out)
    /// });
    /// driver.pipe(&orders, "a".to_string(), 100, 0);
    /// driver.pipe(&payments, "a".to_string(), 70, 10);
    /// driver.pipe(&payments, "a".to_string(), 30, 11); // too young for the order at 0
    /// driver.pipe(&orders, "a".to_string(), 50, 4);
    /// let results: Vec<_> = driver.records(&output).into_iter().map(|r| (r.value.unwrap(), r.timestamp)).collect();
    /// assert_eq!(results, [(30, 10), (-20, 10), (20, 11)]);
    /// ```
    pub fn join_windowed<W: Clone + 'static, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        stores: JoinStores<K, V, W>,
        joiner: impl Fn(&V, &W) -> R + 'static,
    ) -> WindowedJoin<K, V, W, R> {
        let joiner = move |left: Option<&V>, right: Option<&W>| Some(joiner(left?, right?));
        let names = ["this-join-store", "other-join-store", ""];
        self.windowed("join-windowed", Outer { left: false, right: false }, other, windows, stores, names, joiner)
    }

    /// As [`Stream::join_windowed`]; and a record of this stream that has met none of the other yields one result with
    /// `None`, once its window with the grace is over, with its own timestamp.
    ///
    /// A record that has had such a result meets nothing any more; so it is joined or it is not, and never both. One whose
    /// window and grace are over when it comes has its result at once, as has one with a null key.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (orders, payments) = (Topic::<_, i64>::new("orders", Utf8, Be64), Topic::<_, i64>::new("payments", Utf8, Be64));
    /// # let output = Topic::<_, String>::new("out", Utf8, Utf8);
    /// # let (o, p, out) = (orders.clone(), payments.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windows = JoinWindows::of_time_difference(Duration::from_millis(10)).grace(Duration::from_millis(5));
    ///     let stores = JoinStores::new("paid", Utf8, Be64, Be64);
    ///     b.stream(&o)
    ///         .left_join_windowed(&b.stream(&p), windows, stores, |order, paid| format!("{order} {paid:?}"))
    ///         .to(&out)
    /// });
    /// driver.pipe(&orders, "a".to_string(), 1, 0);
    /// driver.pipe(&orders, "b".to_string(), 2, 15); // 0 + 10 + 5: a payment for a might still come
    /// assert!(driver.values(&output).is_empty());
    /// driver.pipe(&payments, "b".to_string(), 3, 16);
    /// assert_eq!(driver.values(&output), ["1 None", "2 Some(3)"]);
    /// ```
    pub fn left_join_windowed<W: Clone + 'static, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        stores: JoinStores<K, V, W>,
        joiner: impl Fn(&V, Option<&W>) -> R + 'static,
    ) -> WindowedJoin<K, V, W, R> {
        let joiner = move |left: Option<&V>, right: Option<&W>| Some(joiner(left?, right));
        let names = ["this-join-store", "outer-other-join-store", "left-shared-join-store"];
        self.windowed("left-join-windowed", Outer { left: true, right: false }, other, windows, stores, names, joiner)
    }

    /// As [`Stream::left_join_windowed`], for both streams: each record that has met none of the other stream yields one
    /// result. `joiner` gets at least one value.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (orders, payments) = (Topic::<_, i64>::new("orders", Utf8, Be64), Topic::<_, i64>::new("payments", Utf8, Be64));
    /// # let output = Topic::<_, String>::new("out", Utf8, Utf8);
    /// # let (o, p, out) = (orders.clone(), payments.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windows = JoinWindows::of_time_difference(Duration::from_millis(10));
    ///     let stores = JoinStores::new("paid", Utf8, Be64, Be64);
    ///     b.stream(&o)
    ///         .outer_join_windowed(&b.stream(&p), windows, stores, |order, paid| format!("{order:?} {paid:?}"))
    ///         .to(&out)
    /// });
    /// driver.pipe(&orders, "a".to_string(), 1, 0);
    /// driver.pipe(&payments, "b".to_string(), 2, 5);
    /// driver.pipe(&payments, "c".to_string(), 3, 100);
    /// assert_eq!(driver.values(&output), ["Some(1) None", "None Some(2)"]);
    /// ```
    pub fn outer_join_windowed<W: Clone + 'static, R: Clone + 'static>(
        &self,
        other: &Stream<K, W>,
        windows: JoinWindows,
        stores: JoinStores<K, V, W>,
        joiner: impl Fn(Option<&V>, Option<&W>) -> R + 'static,
    ) -> WindowedJoin<K, V, W, R> {
        let joiner = move |left: Option<&V>, right: Option<&W>| Some(joiner(left, right));
        let names = ["outer-this-join-store", "outer-other-join-store", "outer-shared-join-store"];
        self.windowed("outer-join-windowed", Outer { left: true, right: true }, other, windows, stores, names, joiner)
    }

    #[allow(clippy::too_many_arguments)] // what the three joins differ in
    fn windowed<W: Clone + 'static, R: Clone + 'static>(
        &self,
        operator: &'static str,
        outer: Outer,
        other: &Stream<K, W>,
        windows: JoinWindows,
        stores: JoinStores<K, V, W>,
        [left_name, right_name, unjoined_name]: [&str; 3],
        joiner: impl Fn(Option<&V>, Option<&W>) -> Option<R> + 'static,
    ) -> WindowedJoin<K, V, W, R> {
        self.require_unchanged_key(operator);
        other.require_unchanged_key(operator);
        let builder = &self.builder;
        let mut parents = vec![self.node, other.node];
        parents.dedup();
        let node = builder.graph.borrow_mut().node(NodeKind::Processor(operator), &parents);
        let clock = builder.graph.borrow().clock.clone();
        let (left, right) = (stores.store(left_name, &stores.this), stores.store(right_name, &stores.other));
        let (left_id, right_id) = (reserve(builder, &left.name, node), reserve(builder, &right.name, node));
        let left = Rc::new(JoinWindowStore::new(left, windows.retention_ms(), clock.clone()));
        let right = Rc::new(JoinWindowStore::new(right, windows.retention_ms(), clock));
        builder.graph.borrow_mut().set_store(left_id, left.clone());
        builder.graph.borrow_mut().set_store(right_id, right.clone());
        let unjoined = (outer.left || outer.right).then(|| {
            let id = reserve(builder, &format!("{}-{unjoined_name}", stores.name).into(), node);
            let bounds = JoinBounds { windows, left: left.clone(), right: right.clone() };
            let store = Rc::new(UnjoinedStore::new(stores.key.clone(), bounds));
            builder.graph.borrow_mut().set_store(id, store.clone() as Rc<dyn StateStore>);
            store
        });
        let results = Stream::new(builder, node, false);
        let (late, other_late) = (Late::of(node), Late::of(node));
        let join = Rc::new(Join { left, right, unjoined, windows, outer, joiner, children: results.children.clone() });
        join.tell_unjoined_in_time(builder, node);
        let (of_left, of_right) = (join.clone(), join);
        let (left_late, right_late) = (late.clone(), other_late.clone());
        self.children.add(node.0, move |context, record| of_left.take_left(context, record, &left_late));
        other.children.add(node.0, move |context, record| of_right.take_right(context, record, &right_late));
        WindowedJoin { results, late, other_late }
    }
}

fn reserve(builder: &TopologyBuilder, name: &Arc<str>, node: NodeId) -> StoreId {
    let mut graph = builder.graph.borrow_mut();
    let id = graph.store(name);
    graph.connect(id, node);
    id
}
