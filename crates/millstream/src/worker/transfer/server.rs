use std::sync::mpsc::Sender;

use super::Recipient;
use crate::broker::Waker;
use crate::task::TaskId;
use crate::worker::instance::{Link, worker_of};
use crate::worker::message::Command;

/// Hands out the state of an instance's tasks; may be cloned, and used from any thread.
#[derive(Clone)]
pub struct StateServer {
    workers: Vec<(Sender<Command>, Waker)>,
}

impl StateServer {
    pub(in crate::worker) fn new(workers: &[Link]) -> Self {
        StateServer { workers: workers.iter().map(|worker| (worker.commands.clone(), worker.waker.clone())).collect() }
    }

    /// Has the worker that has this task, or a copy of it, hand out the task's state to `recipient`, while it goes on
    /// working. A worker that has neither drops the recipient. Returns whether there is a worker at all.
    pub fn ask(&self, task: TaskId, recipient: Box<dyn Recipient>) -> bool {
        let Some((commands, waker)) = self.workers.get(worker_of(task, self.workers.len())) else {
            return false;
        };
        let is_told = commands.send(Command::HandOut { task, recipient }).is_ok();
        waker();
        is_told
    }
}
