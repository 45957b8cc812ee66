use std::cell::RefCell;
use std::rc::Rc;

use super::Graph;
use crate::state::GlobalStores;

/// Builds a topology. A topology is a function of it, called once for each task. Its methods are the DSL's; see
/// [`dsl`](crate::dsl).
#[derive(Clone)]
pub struct TopologyBuilder {
    pub(crate) graph: Rc<RefCell<Graph>>,
}

impl TopologyBuilder {
    /// `globals` are those of the worker that the topology is built for.
    pub(crate) fn new(application_id: &str, globals: GlobalStores) -> Self {
        TopologyBuilder { graph: Rc::new(RefCell::new(Graph::new(application_id, globals))) }
    }
}
