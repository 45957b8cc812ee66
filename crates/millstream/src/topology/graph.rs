use std::rc::Rc;
use std::sync::Arc;

use crate::broker::{Message, TopicId};
use crate::processor::{Context, ProcessError, Punctuation};
use crate::record::Timestamp;
use crate::state::{StateStore, StoreId};
use crate::topology::Repartition;

/// A node's number, in the order in which nodes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) usize);

/// Takes a record as bytes, reads it and pushes it down the graph.
pub(crate) type Feed = Box<dyn Fn(&mut Context<'_>, Message<'_>) -> Result<(), ProcessError>>;

/// Tells a processor that its time has come.
pub(crate) type Punctuate = Box<dyn Fn(&mut Context<'_>, Timestamp) -> Result<(), ProcessError>>;

/// A topology while it is built: what describes it, and what runs it.
pub(crate) struct Graph {
    pub(crate) application_id: Arc<str>,
    pub(crate) nodes: Vec<NodeEntry>,
    pub(crate) sources: Vec<Source>,
    pub(crate) stores: Vec<StoreEntry>,
    pub(crate) punctuators: Vec<Punctuator>,
    pub(crate) repartitions: Vec<Repartition>,
    /// All topics written to; the index is the `TopicId`.
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) errors: Vec<String>,
}

pub(crate) struct NodeEntry {
    pub(crate) name: Arc<str>,
    pub(crate) kind: NodeKind,
    pub(crate) parents: Vec<NodeId>,
}

pub(crate) enum NodeKind {
    Source(Arc<str>),
    Processor(&'static str),
    Sink(Arc<str>),
    /// A sink whose topic each record decides.
    DynamicSink,
}

pub(crate) struct Source {
    pub(crate) node: NodeId,
    pub(crate) topic: Arc<str>,
    pub(crate) feed: Feed,
}

pub(crate) struct StoreEntry {
    pub(crate) name: Arc<str>,
    pub(crate) changelog: TopicId,
    /// The nodes that use it.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) store: Option<Rc<dyn StateStore>>,
}

pub(crate) struct Punctuator {
    pub(crate) node: NodeId,
    pub(crate) punctuation: Punctuation,
    pub(crate) call: Punctuate,
}

impl Graph {
    pub(crate) fn new(application_id: &str) -> Self {
        Graph {
            application_id: application_id.into(),
            nodes: Vec::new(),
            sources: Vec::new(),
            stores: Vec::new(),
            punctuators: Vec::new(),
            repartitions: Vec::new(),
            topics: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Adds a node named after its kind and number.
    pub(crate) fn node(&mut self, kind: NodeKind, parents: &[NodeId]) -> NodeId {
        let number = self.nodes.len();
        let name = match &kind {
            NodeKind::Source(topic) => format!("source-{topic}"),
            NodeKind::Sink(topic) => format!("sink-{topic}-{number}"),
            NodeKind::Processor(operator) => format!("{operator}-{number}"),
            NodeKind::DynamicSink => format!("sink-{number}"),
        };
        self.named_node(name.into(), kind, parents)
    }

    pub(crate) fn named_node(&mut self, name: Arc<str>, kind: NodeKind, parents: &[NodeId]) -> NodeId {
        if self.nodes.iter().any(|node| node.name == name) {
            self.errors.push(match &kind {
                NodeKind::Source(topic) => {
                    format!("topic {topic} has two sources; keep the first stream and use it twice")
                }
                _ => format!("two processors are named {name}; each name is given once"),
            });
        }
        self.nodes.push(NodeEntry { name, kind, parents: parents.to_vec() });
        NodeId(self.nodes.len() - 1)
    }

    pub(crate) fn source(&mut self, node: NodeId, topic: Arc<str>, feed: Feed) {
        self.sources.push(Source { node, topic, feed });
    }

    /// The dense id of a topic that is written to.
    pub(crate) fn topic(&mut self, name: &str) -> TopicId {
        let index = self.topics.iter().position(|topic| **topic == *name).unwrap_or_else(|| {
            self.topics.push(name.into());
            self.topics.len() - 1
        });
        TopicId(index as u32)
    }

    pub(crate) fn repartition(&mut self, name: &str) -> Arc<str> {
        let topic: Arc<str> = format!("{}-{name}-repartition", self.application_id).into();
        if self.repartitions.iter().any(|repartition| repartition.topic == topic) {
            self.errors.push(format!("two repartition topics are named {name}; each name is given once"));
        }
        self.repartitions.push(Repartition { topic: topic.clone(), partitions: None });
        topic
    }

    /// Reserves a store's place; [`Graph::set_store`] fills it.
    pub(crate) fn store(&mut self, name: &Arc<str>) -> StoreId {
        if self.stores.iter().any(|store| store.name == *name) {
            self.errors.push(format!("two stores are named {name}; each name is given once"));
        }
        let changelog = self.topic(&format!("{}-{name}-changelog", self.application_id));
        self.stores.push(StoreEntry { name: name.clone(), changelog, nodes: Vec::new(), store: None });
        StoreId(self.stores.len() - 1)
    }

    pub(crate) fn set_store(&mut self, id: StoreId, store: Rc<dyn StateStore>) {
        self.stores[id.0].store = Some(store);
    }

    pub(crate) fn connect(&mut self, store: StoreId, node: NodeId) {
        self.stores[store.0].nodes.push(node);
    }

    pub(crate) fn name(&self, node: NodeId) -> Arc<str> {
        self.nodes[node.0].name.clone()
    }
}
