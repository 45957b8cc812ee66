use std::sync::Arc;

use super::graph::{Graph, NodeKind};
use super::{SubTopology, TimeDescription};
use crate::broker::TopicId;
use crate::processor::PunctuationType;

/// Works out which sub-topologies depend on event time, and which must tell which others what time they have come to.
pub(super) fn describe(graph: &Graph, of_node: &[usize], subs: &mut [SubTopology]) {
    let is_repartition = |topic: &Arc<str>| graph.repartitions.iter().any(|repartition| repartition.topic == *topic);
    let leads_to = |writer: &SubTopology, reader: &SubTopology| {
        writer.sinks.iter().any(|topic| is_repartition(topic) && reader.sources.contains(topic))
    };
    let edges = subs.iter().map(|writer| subs.iter().map(|reader| leads_to(writer, reader)).collect()).collect();
    let reaches = closure(edges);
    // Around a circle each would wait for the other: there nobody listens.
    let listens = |reader: usize, writer: usize| reaches[writer][reader] && !reaches[reader][writer];
    // Time must come to where it is used through all that is before it.
    let uses: Vec<bool> = (0..subs.len()).map(|sub| uses_time(graph, of_node, sub)).collect();
    let used: Vec<bool> =
        (0..subs.len()).map(|sub| uses[sub] || (0..subs.len()).any(|by| uses[by] && listens(by, sub))).collect();
    let sinks: Vec<Vec<Arc<str>>> = subs.iter().map(|sub| sub.sinks.clone()).collect();
    let sources: Vec<Vec<Arc<str>>> = subs.iter().map(|sub| sub.sources.clone()).collect();
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
            (0..sinks.len()).filter(|writer| sinks[*writer].contains(topic) && listens(number, *writer)).collect()
        });
        sub.time = TimeDescription {
            is_used: used[number],
            holds_ms: of_sub.map(|(holds, _)| *holds).max().unwrap_or(0),
            announced_to: sub
                .sinks
                .iter()
                .filter(|topic| is_repartition(topic))
                .filter(|topic| {
                    let mut readers = (0..sources.len()).filter(|reader| sources[*reader].contains(topic));
                    readers.any(|reader| used[reader] && listens(reader, number))
                })
                .filter_map(topic_id)
                .collect(),
            upstream: upstream.collect(),
        };
    }
}

/// Which of them lead to which, over any number of steps.
fn closure(mut edges: Vec<Vec<bool>>) -> Vec<Vec<bool>> {
    for between in 0..edges.len() {
        let onward = edges[between].clone();
        for from in edges.iter_mut().filter(|from| from[between]) {
            from.iter_mut().zip(&onward).for_each(|(reached, further)| *reached |= further);
        }
    }
    edges
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
