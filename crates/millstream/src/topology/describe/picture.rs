use std::fmt;

use crate::topology::{Node, Topology};

/// What a picture of a topology shows, whatever the language; in the order of creation, so that the same topology always
/// gives the same picture.
pub(super) struct Picture<'a> {
    /// The nodes and stores of each sub-topology.
    pub(super) sub_topologies: Vec<Vec<Shape<'a>>>,
    /// Topics lie between the sub-topologies, as they join them.
    pub(super) topics: Vec<Shape<'a>>,
    pub(super) edges: Vec<Edge>,
}

pub(super) struct Shape<'a> {
    pub(super) id: Id,
    pub(super) form: Form,
    pub(super) lines: Vec<&'a str>,
}

/// A letter and a number, as a name may be no identifier of the language.
#[derive(Clone, Copy)]
pub(super) struct Id(char, usize);

#[derive(Clone, Copy)]
pub(super) enum Form {
    Node,
    Store,
    Topic,
    /// A topic that the topology makes itself.
    Repartition,
}

pub(super) struct Edge {
    pub(super) from: Id,
    pub(super) to: Id,
    pub(super) form: EdgeForm,
}

#[derive(Clone, Copy)]
pub(super) enum EdgeForm {
    /// Records go this way.
    Records,
    /// The node uses the store.
    Store,
}

impl<'a> Picture<'a> {
    pub(super) fn new(topology: &'a Topology) -> Self {
        let (mut nodes, mut stores) = (Names::new('n'), Names::new('s'));
        let sub_topologies = topology.sub_topologies.iter().map(|sub| {
            let mut shapes = Vec::new();
            for node in &sub.nodes {
                shapes.push(Shape { id: nodes.add(&node.name), form: Form::Node, lines: lines_of(node) });
            }
            for store in &sub.stores {
                let changelog = store.changelog.as_deref().unwrap_or("in memory alone");
                let lines = vec![&*store.name, changelog];
                shapes.push(Shape { id: stores.add(&store.name), form: Form::Store, lines });
            }
            shapes
        });
        let sub_topologies = sub_topologies.collect();

        let mut topics = Names::new('t');
        let mut picture = Picture { sub_topologies, topics: Vec::new(), edges: Vec::new() };
        // A global table belongs to every instance, and to no sub-topology.
        for global in &topology.globals {
            let topic = topics.add(&global.topic);
            let store = stores.add(&global.name);
            picture.topics.push(Shape { id: topic, form: Form::Topic, lines: vec![&global.topic] });
            picture.topics.push(Shape { id: store, form: Form::Store, lines: vec![&global.name, "global table"] });
            picture.edge(Some(topic), Some(store), EdgeForm::Records);
        }
        for node in topology.sub_topologies.iter().flat_map(|sub| &sub.nodes) {
            let topic = node.topic.as_deref().map(|topic| {
                topics.id(topic).unwrap_or_else(|| {
                    let internal = topology.repartitions.iter().any(|repartition| *repartition.topic == *topic);
                    let form = if internal { Form::Repartition } else { Form::Topic };
                    let id = topics.add(topic);
                    picture.topics.push(Shape { id, form, lines: vec![topic] });
                    id
                })
            });
            // Every node but a source has parents.
            let (read, written) = if node.parents.is_empty() { (topic, None) } else { (None, topic) };
            let id = nodes.id(&node.name);
            let parents = node.parents.iter().map(|parent| nodes.id(parent));
            for from in std::iter::once(read).chain(parents) {
                picture.edge(from, id, EdgeForm::Records);
            }
            for store in &node.stores {
                picture.edge(id, stores.id(store), EdgeForm::Store);
            }
            picture.edge(id, written, EdgeForm::Records);
        }
        picture
    }

    fn edge(&mut self, from: Option<Id>, to: Option<Id>, form: EdgeForm) {
        if let (Some(from), Some(to)) = (from, to) {
            self.edges.push(Edge { from, to, form });
        }
    }
}

/// The node's name, and its kind unless that is seen: a name like `filter-2`, or its topic beside it.
fn lines_of(node: &Node) -> Vec<&str> {
    let number = node.name.strip_prefix(&node.kind).and_then(|rest| rest.strip_prefix('-'));
    let is_seen = node.topic.is_some() || number.is_some_and(|number| number.parse::<usize>().is_ok());
    if is_seen { vec![&node.name] } else { vec![&node.name, &node.kind] }
}

/// What is drawn of one sort; a name's place is its number.
struct Names<'a> {
    letter: char,
    names: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn new(letter: char) -> Self {
        Names { letter, names: Vec::new() }
    }

    fn add(&mut self, name: &'a str) -> Id {
        self.names.push(name);
        Id(self.letter, self.names.len() - 1)
    }

    fn id(&self, name: &str) -> Option<Id> {
        self.names.iter().position(|other| *other == name).map(|place| Id(self.letter, place))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}
