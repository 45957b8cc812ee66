use super::{Change, Stream, TopologyBuilder};
use crate::processor::Tee;
use crate::record::Record;
use crate::state::{KeyValueStore, VersionedStore};
use crate::topology::{NodeId, NodeKind};

/// A table: one value a key, and the stream of its changes.
pub struct Table<K, V> {
    pub(super) builder: TopologyBuilder,
    pub(super) node: NodeId,
    pub(super) children: Tee<K, Change<V>>,
    /// Where its rows are; a windowed table has none that can be joined.
    pub(super) store: Option<KeyValueStore<K, V>>,
    /// What a versioned table has instead.
    pub(super) versions: Option<TableVersions<K, V>>,
}

/// The rows of a versioned table, and its updates that are not the latest of their key: no change of the table.
pub(super) struct TableVersions<K, V> {
    pub(super) store: VersionedStore<K, V>,
    pub(super) out_of_order: Tee<K, Option<V>>,
}

impl<K: Clone + 'static, V: Clone + 'static> Table<K, V> {
    pub(super) fn new(
        builder: &TopologyBuilder,
        node: NodeId,
        children: Tee<K, Change<V>>,
        store: Option<KeyValueStore<K, V>>,
    ) -> Self {
        Table { builder: builder.clone(), node, children, store, versions: None }
    }

    /// The stream of the table's changes: each update, also one that changes nothing, with the value now; `None` where
    /// a key was deleted. See [`TopologyBuilder::table`] for an example.
    pub fn to_stream(&self) -> Stream<K, Option<V>> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor("to-stream"), &[self.node]);
        let stream = Stream::new(&self.builder, node, false);
        if let Some(versions) = &self.versions {
            let children = stream.children.clone();
            versions.out_of_order.add(move |context, record| children.push(context, record));
        }
        let children = stream.children.clone();
        self.children.add(move |context, record| {
            let Record { key, value, timestamp, headers } = record;
            children.push(context, Record { key, value: value.new, timestamp, headers })
        });
        stream
    }
}
