use super::{Change, Stream, TopologyBuilder};
use crate::processor::Tee;
use crate::record::Record;
use crate::state::KeyValueStore;
use crate::topology::{NodeId, NodeKind};

/// A table: one value a key, and the stream of its changes.
pub struct Table<K, V> {
    pub(super) builder: TopologyBuilder,
    pub(super) node: NodeId,
    pub(super) children: Tee<K, Change<V>>,
    /// Where its rows are; a windowed table has none that can be joined.
    pub(super) store: Option<KeyValueStore<K, V>>,
}

impl<K: Clone + 'static, V: Clone + 'static> Table<K, V> {
    pub(super) fn new(
        builder: &TopologyBuilder,
        node: NodeId,
        children: Tee<K, Change<V>>,
        store: Option<KeyValueStore<K, V>>,
    ) -> Self {
        Table { builder: builder.clone(), node, children, store }
    }

    /// The stream of the table's changes: each update, also one that changes nothing, with the value now; `None` where
    /// a key was deleted. See [`TopologyBuilder::table`] for an example.
    pub fn to_stream(&self) -> Stream<K, Option<V>> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor("to-stream"), &[self.node]);
        let stream = Stream::new(&self.builder, node, false);
        let children = stream.children.clone();
        self.children.add(move |context, record| {
            let Record { key, value, timestamp, headers } = record;
            children.push(context, Record { key, value: value.new, timestamp, headers })
        });
        stream
    }
}
