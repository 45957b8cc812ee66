use super::Application;
use crate::processor::{Numbers, Place};
use crate::task::TaskId;

/// Where a worker is, as numbers; [`Application::describe_at`] names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The task.
    pub task: TaskId,
    /// The record that has its turn: the number of its input among the sources of the sub-topology, and its offset. `None` in
    /// what no record caused: a punctuation, or a commit.
    pub record: Option<(usize, i64)>,
    /// The number of the node that has it: see [`Topology::node_name`](crate::topology::Topology::node_name).
    pub node: Option<usize>,
}

impl At {
    pub(super) fn of(place: &Place) -> Option<At> {
        let Numbers { task: (sub_topology, partition), record, node } = place.get()?;
        Some(At { task: TaskId { sub_topology, partition }, record, node })
    }
}

impl Application {
    /// A place as text: task, topic, partition, offset and node.
    pub fn describe_at(&self, at: At) -> String {
        let mut text = format!("task {}", at.task);
        let sources = self.topology.sub_topologies.get(at.task.sub_topology).map(|sub| &sub.sources);
        if let (Some(sources), Some((input, offset))) = (sources, at.record)
            && let Some(topic) = sources.get(input)
        {
            text.push_str(&format!(", topic {topic}, partition {}, offset {offset}", at.task.partition));
        }
        if let Some(node) = at.node.and_then(|number| self.topology.node_name(number)) {
            text.push_str(&format!(", node {node}"));
        }
        text
    }
}
