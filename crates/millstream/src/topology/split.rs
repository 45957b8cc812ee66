use std::rc::Rc;
use std::sync::Arc;

use super::graph::{Alarm, CommitHook, Graph, NodeKind, Punctuator, Source, StoreEntry};
use super::{
    Define, GlobalTableDescription, Node, StoreDescription, SubTopology, TimeDescription, Topology, TopologyBuilder,
};
use crate::broker::TopicId;
use crate::calls::PendingCalls;
use crate::processor::OnError;
use crate::state::{GlobalStores, StateStore, Versions};
use crate::time::Clock;

/// The graph of one task: one sub-topology, with stores of its own.
pub(crate) struct TaskGraph {
    /// In the order of [`SubTopology::sources`].
    pub(crate) sources: Vec<Source>,
    /// In the order of [`SubTopology::stores`].
    pub(crate) stores: Vec<TaskStore>,
    pub(crate) punctuators: Vec<Punctuator>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) commit_hooks: Vec<CommitHook>,
    /// The calls of asynchronous nodes, in the order in which these were made: upstream ones first.
    pub(crate) calls: Vec<Rc<dyn PendingCalls>>,
    /// State without a changelog, as it is empty at each commit.
    pub(crate) transient: Vec<Rc<dyn StateStore>>,
    /// Shared with the nodes and the stores.
    pub(crate) clock: Clock,
    /// The names of all nodes of the topology, by their numbers.
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) on_error: Option<OnError>,
}

pub(crate) struct TaskStore {
    pub(crate) name: Arc<str>,
    /// `None` for a store in memory alone.
    pub(crate) changelog: Option<Changelog>,
    /// Whether the changelog is a source topic.
    pub(crate) from_source: bool,
    pub(crate) store: Rc<dyn StateStore>,
}

pub(crate) struct Changelog {
    pub(crate) topic: TopicId,
    pub(crate) name: Arc<str>,
    pub(crate) versions: Versions,
    /// Whether it is a source topic, which the store only reads.
    pub(crate) from_source: bool,
}

impl TaskGraph {
    /// Builds the whole topology and keeps the one sub-topology: building costs little, and once for each task.
    /// Its global tables are those of its worker.
    pub(crate) fn build(
        application_id: &str,
        define: &Define,
        sub_topology: usize,
        globals: &GlobalStores,
    ) -> TaskGraph {
        let builder = TopologyBuilder::new(application_id, globals.clone());
        define(&builder);
        let emptied = Graph::new(application_id, GlobalStores::default());
        let mut graph = std::mem::replace(&mut *builder.graph.borrow_mut(), emptied);
        let of_node = sub_topology_of_nodes(&graph);
        let stores =
            graph.stores.drain(..).filter(|entry| sub_topology_of_store(entry, &of_node) == Some(sub_topology));
        let calls = graph.calls.into_iter().filter(|calls| of_node[calls.node.0] == sub_topology);
        TaskGraph {
            calls: calls.map(|calls| calls.calls).collect(),
            stores: stores
                .filter_map(|entry| {
                    let StoreEntry { name, changelog, store, from_source, .. } = entry;
                    let store = store?;
                    let changelog = changelog.map(|topic| Changelog {
                        topic,
                        name: graph.topics[topic.0 as usize].clone(),
                        versions: Versions::of(&*store),
                        from_source,
                    });
                    Some(TaskStore { name, changelog, from_source, store })
                })
                .collect(),
            sources: graph.sources.into_iter().filter(|source| of_node[source.node.0] == sub_topology).collect(),
            punctuators: graph.punctuators.into_iter().filter(|p| of_node[p.node.0] == sub_topology).collect(),
            alarms: graph.alarms.into_iter().filter(|alarm| of_node[alarm.node.0] == sub_topology).collect(),
            commit_hooks: graph.commit_hooks.into_iter().filter(|h| of_node[h.node.0] == sub_topology).collect(),
            transient: (graph.transient.into_iter().filter(|(node, _)| of_node[node.0] == sub_topology))
                .map(|(_, store)| store)
                .collect(),
            clock: graph.clock,
            names: graph.nodes.into_iter().map(|node| node.name).collect(),
            on_error: graph.on_error,
        }
    }
}

/// The sub-topology of each node: nodes joined by an edge or by a store are in one. Numbered by their first nodes.
fn sub_topology_of_nodes(graph: &Graph) -> Vec<usize> {
    let mut root: Vec<usize> = (0..graph.nodes.len()).collect();
    let find = |root: &[usize], mut node: usize| {
        while root[node] != node {
            node = root[node];
        }
        node
    };
    let edges = graph.nodes.iter().enumerate().flat_map(|(i, node)| node.parents.iter().map(move |p| (p.0, i)));
    let shared = graph.stores.iter().flat_map(|store| store.nodes.windows(2).map(|pair| (pair[0].0, pair[1].0)));
    for (a, b) in edges.chain(shared) {
        let (a, b) = (find(&root, a), find(&root, b));
        root[a.max(b)] = a.min(b);
    }
    let mut roots = Vec::new();
    (0..graph.nodes.len())
        .map(|node| {
            let root = find(&root, node);
            roots.iter().position(|r| *r == root).unwrap_or_else(|| {
                roots.push(root);
                roots.len() - 1
            })
        })
        .collect()
}

fn sub_topology_of_store(entry: &StoreEntry, of_node: &[usize]) -> Option<usize> {
    entry.nodes.first().map(|node| of_node[node.0])
}

pub(crate) fn describe(graph: &Graph) -> Topology {
    let of_node = sub_topology_of_nodes(graph);
    let count = of_node.iter().max().map_or(0, |max| max + 1);
    let mut sub_topologies: Vec<_> = (0..count).map(|number| describe_part(graph, &of_node, number)).collect();
    super::time::describe(graph, &of_node, &mut sub_topologies);
    Topology {
        application_id: graph.application_id.clone(),
        sub_topologies,
        repartitions: graph.repartitions.clone(),
        globals: (graph.globals.iter())
            .map(|global| GlobalTableDescription { name: global.name.clone(), topic: global.topic.clone() })
            .collect(),
        topics: graph.topics.clone(),
        async_nodes: graph.calls.iter().map(|calls| graph.name(calls.node)).collect(),
        handles_errors: graph.on_error.is_some(),
        node_names: graph.nodes.iter().map(|node| node.name.clone()).collect(),
    }
}

fn describe_part(graph: &Graph, of_node: &[usize], number: usize) -> SubTopology {
    let nodes = graph.nodes.iter().enumerate().filter(|(i, _)| of_node[*i] == number);
    let mut sinks: Vec<Arc<str>> = Vec::new();
    let nodes = nodes
        .map(|(i, entry)| Node {
            name: entry.name.clone(),
            kind: match &entry.kind {
                NodeKind::Source(topic) => format!("source({topic})"),
                NodeKind::Processor(operator) => (*operator).to_owned(),
                NodeKind::DynamicSink => "sink(a topic chosen per record)".to_owned(),
                NodeKind::Sink(topic) => {
                    if !sinks.contains(topic) {
                        sinks.push(topic.clone());
                    }
                    format!("sink({topic})")
                }
            },
            topic: match &entry.kind {
                NodeKind::Source(topic) | NodeKind::Sink(topic) => Some(topic.clone()),
                NodeKind::Processor(_) | NodeKind::DynamicSink => None,
            },
            parents: entry.parents.iter().map(|parent| graph.nodes[parent.0].name.clone()).collect(),
            stores: {
                let stores = graph.stores.iter().map(|store| (&store.name, &store.nodes));
                let stores = stores.chain(graph.globals.iter().map(|global| (&global.name, &global.nodes)));
                stores.filter(|(_, nodes)| nodes.iter().any(|node| node.0 == i)).map(|(name, _)| name.clone()).collect()
            },
        })
        .collect();
    let sources = graph.sources.iter().filter(|source| of_node[source.node.0] == number);
    let stores = graph.stores.iter().filter(|entry| sub_topology_of_store(entry, of_node) == Some(number));
    let globals = graph.globals.iter().filter(|global| global.nodes.iter().any(|node| of_node[node.0] == number));
    SubTopology {
        nodes,
        sinks,
        sources: sources.map(|source| source.topic.clone()).collect(),
        stores: stores
            .map(|entry| {
                let options = entry.store.as_ref().and_then(|store| store.options());
                StoreDescription {
                    name: entry.name.clone(),
                    changelog: entry.changelog.map(|topic| graph.topics[topic.0 as usize].clone()),
                    from_source: entry.from_source,
                    time_to_live_ms: options.and_then(|options| options.time_to_live_ms),
                    version: options.and_then(|options| options.version).unwrap_or(0),
                }
            })
            .collect(),
        time: TimeDescription::default(),
        globals: globals.map(|global| global.name.clone()).collect(),
    }
}
