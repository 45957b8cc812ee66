use std::hash::Hash;
use std::rc::Rc;

use super::fold::{AnyFold, Fold, RowFold, fold_all};
use super::late::Late;
use super::{Change, Emit, GroupedStream, Stream, Table};
use crate::state::{Connect, KeyValueStore, Store};
use crate::topology::{NodeId, NodeKind, TopologyBuilder};

/// Grouped streams of different values that are aggregated together, each by an aggregator of its own.
pub struct CogroupedStream<K, A> {
    pub(super) builder: TopologyBuilder,
    parents: Vec<NodeId>,
    /// For each stream, what has its values folded, from the initial aggregate on.
    attach: Vec<Attach<K, A>>,
}

type Attach<K, A> = Box<dyn FnOnce(AnyFold<K, A>, NodeId, Rc<dyn Fn() -> A>)>;

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> GroupedStream<K, V> {
    /// Begins an aggregate of several grouped streams, with this one's aggregator.
    ///
    /// Each record yields an update. Records of one stream are taken in the order of their partition, whatever their
    /// timestamps; those of several streams in the order in which the task reads them, by timestamp if they are there. The
    /// aggregate's time is the largest timestamp among its records. Null values are values. The topics must have the same
    /// partition count.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (sales, visits) = (Topic::<_, i64>::new("sales", Utf8, Be64), Topic::new("visits", Utf8, Utf8));
    /// # let output = Topic::<_, (i64, u32)>::new("out", Utf8, Json);
    /// # let (s, v, o) = (sales.clone(), visits.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let (sales, visits) = (b.stream(&s).group_by_key(), b.stream(&v).group_by_key());
    ///     sales
    ///         .cogroup(|_, amount, (total, _): &mut (i64, u32)| *total += amount)
    ///         .cogroup(&visits, |_, _page, (_, count)| *count += 1)
    ///         .aggregate(Store::new("customers", Utf8, Json), || (0, 0))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&visits, "ann".to_string(), "home".to_string(), 0);
    /// driver.pipe(&sales, "ann".to_string(), 5, 1);
    /// driver.pipe(&sales, "ann".to_string(), 6, 0);
    /// assert_eq!(driver.values(&output), [(0, 1), (5, 1), (11, 1)]);
    /// ```
    pub fn cogroup<A: Clone + 'static>(&self, aggregator: impl Fn(&K, V, &mut A) + 'static) -> CogroupedStream<K, A> {
        let builder = self.stream.builder.clone();
        CogroupedStream { builder, parents: Vec::new(), attach: Vec::new() }.cogroup(self, aggregator)
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> CogroupedStream<K, A> {
    /// Adds another grouped stream with its aggregator. See [`GroupedStream::cogroup`] for an example.
    pub fn cogroup<V: Clone + 'static>(
        mut self,
        grouped: &GroupedStream<K, V>,
        aggregator: impl Fn(&K, V, &mut A) + 'static,
    ) -> Self {
        let source = grouped.stream.children.clone();
        self.parents.push(grouped.stream.node);
        self.attach.push(Box::new(move |fold, node, init| {
            let step = move |key: &K, value, aggregate: &mut Option<A>| {
                aggregator(key, value, aggregate.get_or_insert_with(|| init()));
            };
            let late = Late::of(node);
            match fold {
                AnyFold::Rows(fold) => fold_all(&source, fold, late, step),
                AnyFold::Time(fold) => fold_all(&source, fold, late, step),
                AnyFold::Sliding(fold) => fold_all(&source, fold, late, step),
                AnyFold::Session(fold) => fold_all(&source, fold, late, step),
            }
        }));
        self
    }

    /// The aggregate of each key, begun with `init()`, as a table. See [`GroupedStream::cogroup`] for an example.
    pub fn aggregate(self, store: Store<K, A>, init: impl Fn() -> A + 'static) -> Table<K, A> {
        let store = self.builder.store(store);
        let changes = self.changes("cogroup");
        self.builder.graph.borrow_mut().connect(store.store_id(), changes.node);
        let fold = RowFold::new(store.clone(), Emit::OnUpdate, changes.children.clone());
        self.fold(fold, &changes, Rc::new(init), Some(store))
    }

    /// Adds the node of all streams, and gives what it pushes.
    pub(super) fn changes<L: Clone + 'static>(&self, operator: &'static str) -> Stream<L, Change<A>> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor(operator), &self.parents);
        Stream::new(&self.builder, node, false)
    }

    /// Has the values of all streams folded.
    pub(super) fn fold<L: Hash + Eq + Clone + 'static>(
        self,
        fold: Rc<impl Fold<K, A>>,
        changes: &Stream<L, Change<A>>,
        init: Rc<dyn Fn() -> A>,
        store: Option<KeyValueStore<L, A>>,
    ) -> Table<L, A> {
        let fold = fold.any();
        for attach in self.attach {
            attach(fold.clone(), changes.node, init.clone());
        }
        Table::new(&self.builder, changes.node, changes.children.clone(), store)
    }
}
