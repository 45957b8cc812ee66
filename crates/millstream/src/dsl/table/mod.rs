mod foreign;
mod group;
mod join;
mod materialize;
mod of_stream;
mod values;
mod view;

pub use group::GroupedTable;

use super::{Change, Stream, TopologyBuilder};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::state::KeyValueStore;
use crate::topology::{NodeId, NodeKind};
pub(super) use view::{Serdes, View};

/// A table: one value a key, and the stream of its changes.
///
/// A table that another one was made into by an operator has no store of its own: its rows are worked out from those of the
/// other whenever they are asked for. [`Table::materialize`] keeps them.
pub struct Table<K, V> {
    pub(super) builder: TopologyBuilder,
    pub(super) node: NodeId,
    pub(super) children: Tee<K, Change<V>>,
    /// Where its rows are.
    pub(super) view: View<K, V>,
    pub(super) serdes: Serdes<K, V>,
    /// Of a versioned table: its updates that are not the latest of their key, and so no change of the table.
    pub(super) out_of_order: Option<Tee<K, Option<V>>>,
}

impl<K: Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// A table whose rows are in `store`; without one, in a store by key and window.
    pub(super) fn new(
        builder: &TopologyBuilder,
        node: NodeId,
        children: Tee<K, Change<V>>,
        store: Option<KeyValueStore<K, V>>,
    ) -> Self {
        let serdes = store.as_ref().map(|store| {
            let (key, value) = store.serdes();
            Serdes { key: Some(key), value: Some(value) }
        });
        let view = store.map_or(View::Windowed, View::Store);
        Table { builder: builder.clone(), node, children, view, serdes: serdes.unwrap_or_default(), out_of_order: None }
    }

    /// The stream of the table's changes: each update, also one that changes nothing, with the value now; `None` where
    /// a key was deleted. In the order in which the table took them, whatever their timestamps.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.table(&i, Store::new("rows", Utf8, Be64)).to_stream().to(&o));
    /// for timestamp in [5, 3] {
    ///     driver.pipe(&input, "a".to_string(), 1, timestamp);
    /// }
    /// driver.pipe_null(&input, "a".to_string(), 6);
    /// let changes = [Some(1), Some(1), None].map(|value| ("a".to_string(), value));
    /// assert_eq!(driver.entries(&output), changes);
    /// ```
    pub fn to_stream(&self) -> Stream<K, Option<V>> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor("to-stream"), &[self.node]);
        let stream = Stream::new(&self.builder, node, false);
        if let Some(out_of_order) = &self.out_of_order {
            let children = stream.children.clone();
            out_of_order.add(node.0, move |context, record| children.push(context, record));
        }
        let children = stream.children.clone();
        self.children.add_without_old(node.0, move |context, record| {
            let Record { key, value, timestamp, headers } = record;
            children.push(context, Record { key, value: value.new, timestamp, headers })
        });
        stream
    }

    /// The stream of what `push` hands to its children for each change.
    fn then<L: Clone + 'static, W: Clone + 'static>(
        &self,
        operator: &'static str,
        push: impl Fn(&mut Context<'_>, Record<K, Change<V>>, &Tee<L, W>) -> Result<(), ProcessError> + 'static,
    ) -> Stream<L, W> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor(operator), &[self.node]);
        let stream = Stream::new(&self.builder, node, false);
        let children = stream.children.clone();
        self.children.add(node.0, move |context, record| push(context, record, &children));
        stream
    }

    /// Whether rows can be looked up by key, as `operator` must; an error of the topology if not.
    pub(super) fn require_rows(&self, operator: &str) -> bool {
        let why = match self.view {
            View::Store(_) | View::Versioned(_) | View::Derived { .. } => return true,
            View::Windowed => "with the windowed table of {node}: only tables by key can be joined",
            View::NotKept => "with the table of {node}, whose rows are not kept: call materialize() on it first",
        };
        self.push_error(operator, why);
        false
    }

    /// Whether changes come with the value before, as `operator` needs; an error of the topology if not.
    fn require_old(&self, operator: &str) {
        if !self.view.sends_old() {
            self.push_error(
                operator,
                "of the table of {node}, whose rows are not kept: call materialize() on it first",
            );
        }
    }

    fn push_error(&self, operator: &str, why: &str) {
        let mut graph = self.builder.graph.borrow_mut();
        let why = why.replace("{node}", &graph.name(self.node));
        graph.errors.push(format!("{operator} {why}"));
    }
}
