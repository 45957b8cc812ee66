use super::Stream;
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::topology::{NodeId, NodeKind, TopologyBuilder};

/// Where an operator's records go that come too late for it: each is counted for the operator's node, and passed on if
/// somebody asked for the stream of them.
pub(super) struct Late<K, V> {
    node: NodeId,
    children: Tee<K, V>,
}

impl<K: Clone + 'static, V: Clone + 'static> Late<K, V> {
    pub(super) fn of(node: NodeId) -> Self {
        Late { node, children: Tee::default() }
    }

    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    pub(super) fn push(&self, context: &mut Context<'_>, record: Record<K, V>) -> Result<(), ProcessError> {
        context.output.count_late(self.node.0);
        self.children.push(context, record)
    }

    /// The late records as a stream.
    pub(super) fn stream(&self, builder: &TopologyBuilder, key_changed: bool) -> Stream<K, V> {
        let node = builder.graph.borrow_mut().node(NodeKind::Processor("late"), &[self.node]);
        let stream = Stream::new(builder, node, key_changed);
        let children = stream.children.clone();
        self.children.add(node.0, move |context, record| children.push(context, record));
        stream
    }
}

impl<K, V> Clone for Late<K, V> {
    fn clone(&self) -> Self {
        Late { node: self.node, children: self.children.clone() }
    }
}
