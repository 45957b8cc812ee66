//! Tasks: one sub-topology on one partition number. The unit of parallelism and of state.
//!
//! ```text
//!            open             all stores complete
//!   (parked) ────► restoring ─────────────────────► running ──── close ───► parked or dropped
//!                                                    │   ▲
//!                                                    └───┘ rollback: stores, positions and stream time
//!                                                          go back to the last commit
//! ```
//!
//! A task's event time is the largest timestamp that its sources have seen. Behind a repartition topic it is the smallest
//! time that one of the upstream tasks has come to, as they tell in band (`time.rs`). It is committed with the offsets, as
//! metadata; so it comes back after a restart, and windows and punctuations go on where they were.

mod calls;
mod commit;
mod error;
mod input;
mod memory;
mod punctuate;
mod restore;
mod run;
mod time;
mod upstream;

pub use error::RecordError;

pub(crate) use error::TaskError;
pub(crate) use input::{Input, OpenInput, is_finished};
pub(crate) use restore::StoreRestore;
pub(crate) use time::Pace;

use std::fmt;

use self::time::TaskTime;
use self::upstream::Upstream;

use crate::broker::ReaderOf;
use crate::record::Timestamp;
use crate::topology::{TaskGraph, TimeDescription};

/// A task's name: sub-topology 1 on partition 3 is `1_3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// The sub-topology's number.
    pub sub_topology: usize,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.sub_topology, self.partition)
    }
}

/// One task, owned by one worker.
pub(crate) struct Task {
    pub(crate) id: TaskId,
    graph: TaskGraph,
    inputs: Vec<Input>,
    /// Stores that are not complete yet; none when the task runs.
    restoring: Vec<StoreRestore>,
    /// Records read from changelogs since the task was opened, and how many offsets there were to read.
    restored: u64,
    to_restore: u64,
    /// For each punctuator, when it is due next.
    due: Vec<Timestamp>,
    time: TaskTime,
    /// The time, and what the sources had come to, at the last commit.
    committed_time: (Timestamp, Timestamp),
    /// Whether stores or outputs may have changed since the last commit.
    dirty: bool,
    /// How many operators were asked for what they held back, before the commit that is due.
    hooks_called: usize,
    /// Since when one input has been empty while others wait for it.
    idle_since: Option<Timestamp>,
}

/// How a task chooses among several inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge {
    /// How long, in ms, a record waits for an input that has nothing to read.
    pub(crate) max_task_idle_ms: i64,
    /// How many records of each input are held at most.
    pub(crate) buffered_records: usize,
}

impl Task {
    /// A task at the positions of its inputs; `restoring` are the stores to be completed first.
    pub(crate) fn new(
        id: TaskId,
        graph: TaskGraph,
        inputs: Vec<OpenInput>,
        restoring: Vec<StoreRestore>,
        time: TimeDescription,
    ) -> Self {
        let inputs = inputs.into_iter().zip(&time.upstream).zip(&graph.sources);
        let inputs: Vec<Input> =
            inputs.map(|((open, subs), source)| Input::new(open, Upstream::new(subs), source.moves_clock)).collect();
        let times = inputs.iter().map(|input| input.opened_at);
        let committed_time =
            times.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))).unwrap_or((Timestamp::MIN, Timestamp::MIN));
        let to_restore = restoring.iter().map(StoreRestore::remaining).sum();
        let due = vec![0; graph.punctuators.len()];
        let mut task = Task {
            id,
            graph,
            inputs,
            restoring,
            restored: 0,
            to_restore,
            due,
            time: TaskTime::new(time),
            committed_time,
            dirty: false,
            hooks_called: 0,
            idle_since: None,
        };
        task.reset_time();
        task.schedule();
        task
    }

    pub(crate) fn is_running(&self) -> bool {
        self.restoring.is_empty()
    }

    /// Whether each input was read to its end and nothing waits.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_running() && self.inputs.iter().all(Input::is_at_end) && !self.has_pending_calls()
    }

    /// Records read from changelogs, and about how many there were to read, since the task was opened.
    pub(crate) fn restore_progress(&self) -> (u64, u64) {
        (self.restored, self.to_restore)
    }

    /// The position in a source topic up to which it is processed and committed; 0 if nothing is.
    pub(crate) fn committed(&self, topic: &str) -> i64 {
        self.inputs.iter().find(|input| *input.partition.topic == *topic).and_then(|input| input.committed).unwrap_or(0)
    }

    /// The task's graph, with its stores, and its inputs' readers.
    pub(crate) fn into_parts(self) -> (TaskGraph, Vec<ReaderOf>) {
        (self.graph, self.inputs.into_iter().map(Input::into_reader).collect())
    }
}
