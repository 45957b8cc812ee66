use super::Task;
use crate::topology::TaskGraph;

impl Task {
    /// The task's graph, with its stores.
    pub(crate) fn graph(&self) -> &TaskGraph {
        &self.graph
    }

    /// About how many bytes the records take that were read ahead.
    pub(crate) fn buffer_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.buffer_bytes()).sum()
    }
}
