use std::rc::Rc;
use std::sync::Arc;

use crate::broker::{Message, TopicId};
use crate::calls::PendingCalls;
use crate::processor::{Context, OnError, ProcessError, Punctuation, PunctuationType};
use crate::record::Timestamp;
use crate::serde::{Serde, SerdeError};
use crate::state::{GlobalStores, StateStore, Store, StoreId};
use crate::time::Clock;
use crate::topology::Repartition;

/// A node's number, in the order in which nodes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) usize);

/// Takes a record as bytes, reads it and pushes it down the graph. One that cannot be read stays as it is.
pub(crate) type Feed = Box<dyn Fn(&mut Context<'_>, &mut Message<'_>) -> Result<(), ProcessError>>;

/// Reads a record's event time; `None` if it cannot be read, which the feed will say better.
pub(crate) type TimestampOf = Box<dyn Fn(&Message<'_>) -> Option<Timestamp>>;

/// Tells a processor that its time has come.
pub(crate) type Punctuate = Box<dyn Fn(&mut Context<'_>, Timestamp) -> Result<(), ProcessError>>;

/// Asks an operator to push what it held back until the commit.
pub(crate) type BeforeCommit = Box<dyn Fn(&mut Context<'_>) -> Result<(), ProcessError>>;

/// A topology while it is built: what describes it, and what runs it.
pub(crate) struct Graph {
    pub(crate) application_id: Arc<str>,
    pub(crate) nodes: Vec<NodeEntry>,
    pub(crate) sources: Vec<Source>,
    pub(crate) stores: Vec<StoreEntry>,
    pub(crate) globals: Vec<GlobalEntry>,
    /// The rows of global tables: the worker's, whose task the graph is built for.
    pub(crate) global_stores: GlobalStores,
    pub(crate) punctuators: Vec<Punctuator>,
    pub(crate) alarms: Vec<Alarm>,
    pub(crate) commit_hooks: Vec<CommitHook>,
    pub(crate) calls: Vec<NodeCalls>,
    /// State that is empty at each commit, with the nodes that use it.
    pub(crate) transient: Vec<(NodeId, Rc<dyn StateStore>)>,
    /// The event time of the task that the graph is built for.
    pub(crate) clock: Clock,
    pub(crate) repartitions: Vec<Repartition>,
    /// All topics written to; the index is the `TopicId`.
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) errors: Vec<String>,
    pub(crate) sink_checks: Vec<SinkCheck>,
    /// Decides what becomes of records that failed.
    pub(crate) on_error: Option<OnError>,
}

/// Asks the serdes of a sink whether they can write.
pub(crate) struct SinkCheck {
    pub(crate) topic: Arc<str>,
    pub(crate) check: Box<dyn Fn() -> Result<(), SerdeError>>,
}

pub(crate) struct NodeEntry {
    pub(crate) name: Arc<str>,
    pub(crate) kind: NodeKind,
    pub(crate) parents: Vec<NodeId>,
    /// Whether what the node does depends on event time beyond the record's own timestamp.
    pub(crate) uses_time: bool,
    /// How far, in ms, what the node pushes may be behind the task's time: it holds records back until a window is over.
    pub(crate) holds_ms: i64,
    /// Of a node that makes windows: how long they live.
    pub(crate) windows: Option<WindowTimes>,
}

/// How long the windows live that a node makes, in ms.
#[derive(Clone, Copy)]
pub(crate) struct WindowTimes {
    /// How far the timestamp of a result may be before its window's end.
    pub(crate) span_ms: i64,
    /// How long after its end a window is final.
    pub(crate) grace_ms: i64,
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
    /// Reads a record's event time before its turn; `None` where it is Kafka's timestamp.
    pub(crate) timestamp: Option<TimestampOf>,
    /// Whether the feed moves the clock itself, once it has read the record.
    pub(crate) moves_clock: bool,
}

pub(crate) struct StoreEntry {
    pub(crate) name: Arc<str>,
    /// `None` for a store in memory alone, and until the store is set.
    pub(crate) changelog: Option<TopicId>,
    /// Whether the changelog is a source topic, which the store only reads.
    pub(crate) from_source: bool,
    /// The nodes that use it.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) store: Option<Rc<dyn StateStore>>,
}

/// A global table.
pub(crate) struct GlobalEntry {
    pub(crate) name: Arc<str>,
    pub(crate) topic: Arc<str>,
    /// The nodes that use it.
    pub(crate) nodes: Vec<NodeId>,
}

pub(crate) struct Punctuator {
    pub(crate) node: NodeId,
    pub(crate) punctuation: Punctuation,
    pub(crate) call: Punctuate,
}

/// Calls a node when a time has come that its stores say: the end of a window, a timer.
pub(crate) struct Alarm {
    pub(crate) node: NodeId,
    /// The clock that counts.
    pub(crate) clock: PunctuationType,
    /// When the node is to be called next, read from its stores, so that an abort or a restore need not set it; `MAX` for
    /// not at all.
    pub(crate) due: Box<dyn Fn() -> Timestamp>,
    /// Gets the time that has come; afterwards nothing is due up to it.
    pub(crate) call: Punctuate,
}

/// Calls a node before each commit that has something to commit.
pub(crate) struct CommitHook {
    pub(crate) node: NodeId,
    pub(crate) call: BeforeCommit,
}

/// The asynchronous calls of a node.
pub(crate) struct NodeCalls {
    pub(crate) node: NodeId,
    pub(crate) calls: Rc<dyn PendingCalls>,
}

impl Graph {
    pub(crate) fn new(application_id: &str, global_stores: GlobalStores) -> Self {
        Graph {
            application_id: application_id.into(),
            nodes: Vec::new(),
            sources: Vec::new(),
            stores: Vec::new(),
            globals: Vec::new(),
            global_stores,
            punctuators: Vec::new(),
            alarms: Vec::new(),
            commit_hooks: Vec::new(),
            calls: Vec::new(),
            transient: Vec::new(),
            clock: Clock::default(),
            repartitions: Vec::new(),
            topics: Vec::new(),
            errors: Vec::new(),
            sink_checks: Vec::new(),
            on_error: None,
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
        let parents = parents.to_vec();
        self.nodes.push(NodeEntry { name, kind, parents, uses_time: false, holds_ms: 0, windows: None });
        NodeId(self.nodes.len() - 1)
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

    /// Says how many partitions a repartition topic is to have.
    pub(crate) fn set_partitions(&mut self, topic: &Arc<str>, partitions: i32) {
        if partitions < 1 {
            self.errors.push(format!("topic {topic} is to have {partitions} partitions; it needs at least 1"));
        }
        for repartition in self.repartitions.iter_mut().filter(|repartition| repartition.topic == *topic) {
            repartition.partitions = Some(partitions);
        }
    }

    /// Reserves a store's place; [`Graph::set_store`] fills it.
    pub(crate) fn store(&mut self, name: &Arc<str>) -> StoreId {
        self.require_unused_store_name(name);
        self.add_store(name, None, false)
    }

    /// Reserves the place of a store whose changelog is a source topic.
    pub(crate) fn source_store(&mut self, name: &Arc<str>, topic: &str) -> StoreId {
        if self.stores.iter().any(|store| store.name == *name) {
            self.errors.push(format!("two stores are named {name}; each name is given once"));
        }
        let changelog = self.topic(topic);
        self.add_store(name, Some(changelog), true)
    }

    /// Has the serdes of a sink asked, before the first record, whether they can write.
    pub(crate) fn check_sink<K: 'static, V: 'static>(
        &mut self,
        topic: &Arc<str>,
        key: Arc<dyn Serde<K>>,
        value: Arc<dyn Serde<V>>,
    ) {
        let check = Box::new(move || key.check_writable().and_then(|()| value.check_writable()));
        self.sink_checks.push(SinkCheck { topic: topic.clone(), check });
    }

    fn add_store(&mut self, name: &Arc<str>, changelog: Option<TopicId>, from_source: bool) -> StoreId {
        let (name, nodes) = (name.clone(), Vec::new());
        self.stores.push(StoreEntry { name, changelog, from_source, nodes, store: None });
        StoreId(self.stores.len() - 1)
    }

    /// Adds state that is empty at each commit: it needs no changelog, but is told of commits and rollbacks.
    pub(crate) fn transient(&mut self, node: NodeId, store: Rc<dyn StateStore>) {
        self.transient.push((node, store));
    }

    /// Adds a global table; gives its number.
    pub(crate) fn global(&mut self, name: &Arc<str>, topic: &Arc<str>) -> usize {
        self.require_unused_store_name(name);
        self.globals.push(GlobalEntry { name: name.clone(), topic: topic.clone(), nodes: Vec::new() });
        self.globals.len() - 1
    }

    fn require_unused_store_name(&mut self, name: &Arc<str>) {
        let mut names =
            self.stores.iter().map(|store| &store.name).chain(self.globals.iter().map(|global| &global.name));
        if names.any(|used| used == name) {
            self.errors.push(format!("two stores are named {name}; each name is given once"));
        }
    }

    pub(crate) fn set_store(&mut self, id: StoreId, store: Rc<dyn StateStore>) {
        let name = self.stores[id.0].name.clone();
        if self.stores[id.0].changelog.is_none() && store.options().is_none_or(|options| options.changelog) {
            let changelog = self.topic(&format!("{}-{name}-changelog", self.application_id));
            self.stores[id.0].changelog = Some(changelog);
        }
        if let Some(options) = store.options() {
            let version = options.version.unwrap_or(0);
            if let Some(from) = options.upgrades.keys().find(|from| **from >= version) {
                self.errors.push(format!(
                    "store {name} is of version {version} and has an upgrade from version {from}; give it the newer version()"
                ));
            }
        }
        self.stores[id.0].store = Some(store);
    }

    pub(crate) fn connect(&mut self, store: StoreId, node: NodeId) {
        let entry = &mut self.stores[store.0];
        entry.nodes.push(node);
        let options = entry.store.as_ref().and_then(|store| store.options());
        if options.is_some_and(|options| options.time_to_live_ms.is_some()) {
            self.uses_time(node, 0);
        }
    }

    /// Says that a kind of store does not take a time to live, if it was given one.
    pub(crate) fn refuse_time_to_live<K, V>(&mut self, store: &Store<K, V>, instead: &str) {
        if store.options.time_to_live_ms.is_some() {
            let name = &store.name;
            self.errors.push(format!(
                "store {name} has a time_to_live(), which only key-value and ordered stores take; {instead}"
            ));
        }
    }

    /// Says of each store that no node uses it.
    pub(crate) fn unused_stores(&self) -> impl Iterator<Item = String> {
        self.stores.iter().filter(|store| store.nodes.is_empty()).map(|store| {
            format!(
                "store {0} is used by no processor; give it to one, process(.., &[&{0}]), or take it out",
                store.name
            )
        })
    }

    /// Says that a node depends on event time, and how far behind it, in ms, what it pushes may be.
    pub(crate) fn uses_time(&mut self, node: NodeId, holds_ms: i64) {
        let node = &mut self.nodes[node.0];
        node.uses_time = true;
        node.holds_ms = node.holds_ms.max(holds_ms);
    }

    /// Says that a node makes windows, for what comes after it to know when they are final.
    pub(crate) fn makes_windows(&mut self, node: NodeId, windows: WindowTimes) {
        self.nodes[node.0].windows = Some(windows);
    }

    /// How long the windows live that a node, or what it gets them from, makes; `None` if there are none. Of several the longest.
    pub(crate) fn windows_of(&self, node: NodeId) -> Option<WindowTimes> {
        let node = &self.nodes[node.0];
        if node.windows.is_some() {
            return node.windows;
        }
        let mut all = node.parents.iter().map(|parent| self.windows_of(*parent));
        let first = all.next()??;
        all.try_fold(first, |a, b| {
            let b = b?;
            Some(WindowTimes { span_ms: a.span_ms.max(b.span_ms), grace_ms: a.grace_ms.max(b.grace_ms) })
        })
    }

    /// Has `call` called when `due` has come by the clock; see [`Alarm`].
    pub(crate) fn alarm(
        &mut self,
        node: NodeId,
        clock: PunctuationType,
        due: impl Fn() -> Timestamp + 'static,
        call: impl Fn(&mut Context<'_>, Timestamp) -> Result<(), ProcessError> + 'static,
    ) {
        self.alarms.push(Alarm { node, clock, due: Box::new(due), call: Box::new(call) });
    }

    /// Has `call` called before each commit, to push what was held back since the last one.
    pub(crate) fn before_commit(
        &mut self,
        node: NodeId,
        call: impl Fn(&mut Context<'_>) -> Result<(), ProcessError> + 'static,
    ) {
        self.commit_hooks.push(CommitHook { node, call: Box::new(call) });
    }

    /// Has the task wait for a node's calls.
    pub(crate) fn wait_for(&mut self, node: NodeId, calls: Rc<dyn PendingCalls>) {
        self.calls.push(NodeCalls { node, calls });
    }

    pub(crate) fn store_name(&self, store: StoreId) -> Arc<str> {
        self.stores[store.0].name.clone()
    }

    pub(crate) fn name(&self, node: NodeId) -> Arc<str> {
        self.nodes[node.0].name.clone()
    }
}
