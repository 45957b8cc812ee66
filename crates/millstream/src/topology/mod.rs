//! Topologies: the graph of sources, processors and sinks that a service runs, as a value.

mod builder;
mod describe;
mod graph;
mod plan;
mod snapshot;
mod split;
mod time;

pub use builder::TopologyBuilder;
pub use plan::{InternalTopic, Plan};

pub(crate) use graph::{Graph, NodeId, NodeKind, Punctuator, SinkCheck, Source, TimestampOf, WindowTimes};
pub(crate) use snapshot::{SnapshotStep, TaskCursor};
pub(crate) use split::{TaskGraph, TaskStore};

use std::rc::Rc;
use std::sync::Arc;

use crate::broker::TopicId;
use crate::serde::SerdeError;
use crate::state::GlobalStores;

/// A function that builds a topology; called once for the plan, and once for each task.
pub type Define = Arc<dyn Fn(&TopologyBuilder) + Send + Sync>;

/// A topology as a value: readable without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// What internal topics and the consumer group are named after.
    pub application_id: Arc<str>,
    /// Its parts that are joined through topics alone; the index is the first number of a task's id.
    pub sub_topologies: Vec<SubTopology>,
    /// The repartition topics.
    pub repartitions: Vec<Repartition>,
    /// The global tables, which every worker reads as a whole.
    pub globals: Vec<GlobalTableDescription>,
    /// All topics that are written to, by their dense ids.
    pub(crate) topics: Vec<Arc<str>>,
    /// The names of the nodes that call asynchronously: workers need an [`Executor`](crate::executor::Executor) for them.
    pub async_nodes: Vec<Arc<str>>,
    /// Whether it decides itself what becomes of records that failed.
    pub handles_errors: bool,
    /// The names of all nodes, by their numbers.
    pub(crate) node_names: Vec<Arc<str>>,
}

/// A part of a topology joined to the others only through topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubTopology {
    /// Its nodes, in the order in which they were made.
    pub nodes: Vec<Node>,
    /// The topics that it reads.
    pub sources: Vec<Arc<str>>,
    /// The topics that it writes, where they are known beforehand.
    pub sinks: Vec<Arc<str>>,
    /// Its stores.
    pub stores: Vec<StoreDescription>,
    /// The names of the global tables that it uses.
    pub globals: Vec<Arc<str>>,
    /// How its tasks tell those behind repartition topics what time they have come to.
    pub(crate) time: TimeDescription,
}

/// How a sub-topology depends on event time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeDescription {
    /// Whether a node of it, or one further down, depends on event time.
    pub(crate) is_used: bool,
    /// How far, in ms, its output may be behind its time.
    pub(crate) holds_ms: i64,
    /// The repartition topics that it writes its watermarks to.
    pub(crate) announced_to: Vec<TopicId>,
    /// For each source: the sub-topologies whose watermarks are read from it, in the order of their numbers.
    pub(crate) upstream: Vec<Vec<usize>>,
}

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, unique in the topology; errors name it.
    pub name: Arc<str>,
    /// What it is, as one word, with the topic of a source or sink.
    pub kind: String,
    /// The topic of a source or sink; `None` too where each record decides.
    pub topic: Option<Arc<str>>,
    /// The names of the nodes that push to it.
    pub parents: Vec<Arc<str>>,
    /// The names of its stores.
    pub stores: Vec<Arc<str>>,
}

/// A store of a sub-topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDescription {
    /// Its name.
    pub name: Arc<str>,
    /// Its changelog topic, compacted; `None` for a store in memory alone.
    pub changelog: Option<Arc<str>>,
    /// Whether the changelog is one of the sub-topology's sources, which the store only reads.
    pub from_source: bool,
    /// How long a row lives after its last change, in ms of event time; `None` for as long as it is not deleted.
    pub time_to_live_ms: Option<i64>,
    /// The version that its rows are written in.
    pub version: u32,
}

/// A global table of a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalTableDescription {
    /// Its name.
    pub name: Arc<str>,
    /// The topic that it holds.
    pub topic: Arc<str>,
}

/// A topic that a topology writes and reads itself, to bring records of one key together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// How many partitions it has; `None` takes the largest count upstream.
    pub partitions: Option<i32>,
}

/// What is wrong with a topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the topology is not valid: {}", .0.join("; "))]
pub struct TopologyError(pub Vec<String>);

/// Asks the serdes of all sinks, and of all stores with a changelog, whether they can write. First comes what they say no to, then
/// whether any is to be asked again.
pub(crate) fn check_writable(application_id: &str, define: &Define) -> (Vec<String>, Option<SerdeError>) {
    let builder = TopologyBuilder::new(application_id, GlobalStores::default());
    define(&builder);
    let graph = builder.graph.borrow();
    let sinks = graph.sink_checks.iter().map(|SinkCheck { topic, check }| (format!("sink {topic}"), check()));
    // A changelog that is a source topic is only read.
    let stores = graph.stores.iter().filter(|store| !store.from_source).filter_map(|entry| {
        let (store, changelog) = (entry.store.as_ref()?, entry.changelog?);
        let place = format!("store {}, whose changelog is {}", entry.name, graph.topics[changelog.0 as usize]);
        Some((place, store.check_writable()))
    });
    let (mut refused, mut not_now) = (Vec::new(), None);
    for (place, answer) in sinks.chain(stores) {
        match answer {
            Ok(()) => {}
            Err(error) if error.is_transient() => not_now = Some(error),
            Err(error) => refused.push(format!("{place}: {error}")),
        }
    }
    (refused, not_now)
}

impl Topology {
    /// Builds the topology that `define` describes.
    ///
    /// # Errors
    /// Names used twice, a source read twice, a grouping by a key that is not the partitions' key, …: all of them.
    pub fn build(application_id: &str, define: &Define) -> Result<Topology, TopologyError> {
        let builder = TopologyBuilder::new(application_id, GlobalStores::default());
        define(&builder);
        let graph = Rc::clone(&builder.graph);
        let graph = graph.borrow();
        let errors: Vec<String> = graph.errors.iter().cloned().chain(graph.unused_stores()).collect();
        if !errors.is_empty() {
            return Err(TopologyError(errors));
        }
        if graph.sources.is_empty() {
            return Err(TopologyError(vec!["it has no source; begin one with stream() or table()".into()]));
        }
        Ok(split::describe(&graph))
    }

    /// The name of the node of this number, as in [`At::node`](crate::worker::At::node).
    pub fn node_name(&self, number: usize) -> Option<&str> {
        self.node_names.get(number).map(|name| &**name)
    }

    /// The topic on which instances tell of themselves, under their ids.
    pub(crate) fn control_topic(&self) -> Arc<str> {
        format!("{}-instances", self.application_id).into()
    }

    /// The topics that are read and not made by the topology itself, those of global tables included, sorted.
    pub fn source_topics(&self) -> Vec<Arc<str>> {
        let internal = |topic: &Arc<str>| self.repartitions.iter().any(|r| r.topic == *topic);
        let mut topics: Vec<_> = self.sub_topologies.iter().flat_map(|sub| &sub.sources).cloned().collect();
        topics.retain(|topic| !internal(topic));
        topics.extend(self.globals.iter().map(|global| global.topic.clone()));
        topics.sort();
        topics.dedup();
        topics
    }
}
