use std::sync::mpsc::Sender;

use super::Recipient;
use crate::broker::Waker;
use crate::task::TaskId;
use crate::worker::instance::worker_of;
use crate::worker::message::Command;

/// Hands out the state of an instance's tasks; may be used from any thread, and be cloned.
#[derive(Clone)]
pub struct StateServer {
    workers: Vec<(Sender<Command>, Waker)>,
}

impl StateServer {
    pub(crate) fn new(workers: Vec<(Sender<Command>, Waker)>) -> Self {
        StateServer { workers }
    }

    /// Has the worker that has this task, or would have it, hand out the task's state to `recipient`, while it goes on
    /// working. A worker without it drops the recipient. Returns whether there is a worker at all.
    pub fn ask(&self, task: TaskId, recipient: Box<dyn Recipient>) -> bool {
        let Some((commands, waker)) = self.workers.get(worker_of(task, self.workers.len())) else {
            return false;
        };
        let told = commands.send(Command::HandOut { task, recipient }).is_ok();
        waker();
        told
    }
}
