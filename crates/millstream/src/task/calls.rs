use super::{Task, TaskError};
use crate::processor::{Output, guarded};
use crate::record::Timestamp;

/// Asynchronous calls of the task's nodes.
impl Task {
    /// Whether the task has nodes that call.
    pub(crate) fn calls(&self) -> bool {
        !self.graph.calls.is_empty()
    }

    /// Whether some record waits for a call: then nothing of the task can be committed.
    pub(crate) fn has_pending_calls(&self) -> bool {
        self.graph.calls.iter().any(|calls| !calls.is_empty())
    }

    /// The smallest timestamp (ms) among the records that wait for calls: what comes of them may be as old.
    pub(crate) fn oldest_timestamp(&self) -> Option<Timestamp> {
        self.graph.calls.iter().filter_map(|calls| calls.oldest_timestamp()).min()
    }

    /// Whether a record that is read now could be called for.
    pub(super) fn has_room(&self) -> bool {
        self.graph.calls.iter().all(|calls| calls.has_room())
    }

    /// Time does not pass the records that wait.
    pub(super) fn hold_time(&self) {
        self.graph.clock.set_calls(self.oldest_timestamp());
    }

    /// Pushes on the results that are here, and has waiting calls begin; returns how many results.
    pub(crate) fn deliver(&mut self, output: &mut Output, wall_clock: Timestamp) -> Result<usize, TaskError> {
        let mut delivered = 0;
        for node in 0..self.graph.calls.len() {
            while self.deliver_one(node, output, wall_clock)? {
                delivered += 1;
            }
        }
        Ok(delivered)
    }

    fn deliver_one(&mut self, node: usize, output: &mut Output, wall_clock: Timestamp) -> Result<bool, TaskError> {
        let (graph, at) = (&self.graph, &*self.at);
        let delivered = guarded(at, || graph.calls[node].deliver(output, at, &graph.clock, wall_clock))
            .map_err(|error| self.failed(error))?;
        if delivered {
            self.dirty = true;
            self.hold_time();
            self.punctuate_stream_time(output, wall_clock)?;
            self.push_after_end(output, wall_clock)?;
        }
        Ok(delivered)
    }

    /// Throws away what waits: its records are read again.
    pub(super) fn forget_calls(&self) {
        self.graph.calls.iter().for_each(|calls| calls.forget());
    }
}
