use std::collections::BTreeMap;

use super::transfer::Recipient;
use crate::broker::{Producer, ReaderOf};
use crate::task::{OpenInput, TaskId};

/// What an instance tells a worker.
pub(super) enum Command {
    /// Use this producer from now on: the first, or one after a reset.
    Start(Box<dyn Producer>),
    /// Run this task.
    Open { task: TaskId, inputs: Vec<OpenInput> },
    /// Commit and let go of these tasks. `lost`: another member may have them already, so nothing can be committed.
    Close { tasks: Vec<TaskId>, lost: bool },
    /// Keep standbys of these tasks, and of no others; for each, up to where its changelogs may be read, -1 for those that
    /// are no source topics.
    Standby(BTreeMap<TaskId, Vec<i64>>),
    /// Give the state of this task to another instance.
    HandOut { task: TaskId, recipient: Box<dyn Recipient> },
    /// Commit, let go of everything, and end.
    Stop,
}

/// What a worker tells its instance.
pub(super) enum Report {
    /// An answer to `Close`.
    Closed { worker: usize, readers: Vec<ReaderOf> },
    /// The worker has dropped its tasks and its producer; it needs a new one.
    Reset { worker: usize, readers: Vec<ReaderOf> },
    /// The worker was told to open this task when it had no producer any more; it has not.
    NotOpened { task: TaskId, readers: Vec<ReaderOf> },
    /// The worker cannot go on, for this reason; it has dropped everything.
    Failed { error: String },
    /// An answer to `Stop`.
    Stopped { worker: usize },
}
