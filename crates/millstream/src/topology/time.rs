use std::sync::Arc;

use super::graph::{Graph, NodeKind};
use super::{SubTopology, TimeDescription};
use crate::broker::TopicId;
use crate::processor::PunctuationType;

/// Works out which sub-topologies depend on event time, and which must tell which others what time they have come to.
pub(super) fn describe(graph: &Graph, of_node: &[usize], subs: &mut [SubTopology]) {
    let is_repartition = |topic: &Arc<str>| graph.repartitions.iter().any(|repartition| repartition.topic == *topic);
    let mut used: Vec<bool> = (0..subs.len()).map(|sub| uses_time(graph, of_node, sub)).collect();
    // Time must come to where it is used through all that is before it.
    loop {
        let before = used.clone();
        for (number, sub) in subs.iter().enumerate() {
            used[number] |=
                sub.sinks.iter().filter(|topic| is_repartition(topic)).any(|topic| {
                    subs.iter().zip(&before).any(|(reader, used)| *used && reader.sources.contains(topic))
                });
        }
        if used == before {
            break;
        }
    }
    let sinks: Vec<Vec<Arc<str>>> = subs.iter().map(|sub| sub.sinks.clone()).collect();
    let read_with_time: Vec<Arc<str>> = (subs.iter().zip(&used).filter(|(_, used)| **used))
        .flat_map(|(sub, _)| sub.sources.iter().filter(|topic| is_repartition(topic)).cloned())
        .collect();
    let topic_id = |name: &Arc<str>| {
        let index = graph.topics.iter().position(|topic| topic == name);
        index.map(|index| TopicId(index as u32))
    };
    let holds = holds(graph);
    for (number, sub) in subs.iter_mut().enumerate() {
        let of_sub = holds.iter().zip(of_node).filter(|(_, of)| **of == number);
        let upstream = sub.sources.iter().map(|topic| {
            if !used[number] || !is_repartition(topic) {
                return Vec::new();
            }
            (0..sinks.len()).filter(|writer| sinks[*writer].contains(topic)).collect()
        });
        sub.time = TimeDescription {
            is_used: used[number],
            holds_ms: of_sub.map(|(holds, _)| *holds).max().unwrap_or(0),
            announced_to: sub
                .sinks
                .iter()
                .filter(|topic| read_with_time.contains(topic))
                .filter_map(topic_id)
                .collect(),
            upstream: upstream.collect(),
        };
    }
}

fn uses_time(graph: &Graph, of_node: &[usize], sub: usize) -> bool {
    // A processor written by hand may ask for the time.
    let nodes = graph.nodes.iter().zip(of_node);
    let by_node = nodes
        .filter(|(_, of)| **of == sub)
        .any(|(node, _)| node.uses_time || matches!(node.kind, NodeKind::Processor("process")));
    let by_alarm =
        graph.alarms.iter().any(|alarm| of_node[alarm.node.0] == sub && alarm.clock == PunctuationType::StreamTime);
    by_node || by_alarm
}

/// For each node how far, in ms, what it pushes may be behind the time: the sum along the longest way to it.
fn holds(graph: &Graph) -> Vec<i64> {
    let mut holds: Vec<i64> = Vec::new();
    for node in &graph.nodes {
        // A parent is made before its children.
        let before = node.parents.iter().filter_map(|parent| holds.get(parent.0)).max().copied().unwrap_or(0);
        holds.push(before.saturating_add(node.holds_ms));
    }
    holds
}
