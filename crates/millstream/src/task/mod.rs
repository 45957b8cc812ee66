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
mod changelog;
mod commit;
mod divert;
mod error;
mod failures;
mod input;
mod memory;
mod punctuate;
mod restore;
mod run;
mod time;
mod upstream;

pub use error::RecordError;

pub(crate) use changelog::{ChangelogBatch, read_changelog};
pub(crate) use divert::ErrorHandling;
pub(crate) use error::TaskError;
pub(crate) use failures::Failures;
pub(crate) use input::{Input, OpenInput, is_finished};
pub(crate) use restore::StoreRestore;
pub(crate) use time::Pace;

use std::fmt;
use std::sync::Arc;

use self::time::TaskTime;
use self::upstream::Upstream;

use crate::broker::{ReaderOf, TopicPartition};
use crate::processor::{Place, ProcessError};
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

impl std::str::FromStr for TaskId {
    type Err = TaskIdError;

    fn from_str(text: &str) -> Result<Self, TaskIdError> {
        let parsed = text.split_once('_').and_then(|(sub_topology, partition)| {
            Some(TaskId { sub_topology: sub_topology.parse().ok()?, partition: partition.parse().ok()? })
        });
        parsed.filter(|task| task.partition >= 0).ok_or_else(|| TaskIdError(text.to_owned()))
    }
}

/// A text is no task's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`; a task's name is its sub-topology and its partition, as in 1_3")]
pub struct TaskIdError(String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.sub_topology, self.partition)
    }
}

/// One task, owned by one worker.
pub(crate) struct Task {
    pub(crate) id: TaskId,
    graph: TaskGraph,
    /// Where the worker is.
    at: Arc<Place>,
    errors: ErrorHandling,
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
    /// Nothing is done before then, as one of its records failed and is to be tried again.
    held_until: Timestamp,
    /// Rows of source topics that a restore left out, by their stores.
    unread: Vec<(Arc<str>, u64)>,
    /// Why a changelog cannot be read on now.
    not_now: Option<crate::broker::BrokerError>,
}

/// How a task chooses among several inputs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge {
    /// How long, in ms, a record waits for an input that has nothing to read.
    pub(crate) max_task_idle_ms: i64,
    /// How many records of each input are held at most.
    pub(crate) buffered_records: usize,
    /// How many records are taken at most.
    pub(crate) budget: usize,
}

impl Task {
    /// A task at the positions of its inputs; `restoring` are the stores to be completed first.
    pub(crate) fn new(
        id: TaskId,
        graph: TaskGraph,
        inputs: Vec<OpenInput>,
        restoring: Vec<StoreRestore>,
        time: TimeDescription,
        (at, errors): (Arc<Place>, ErrorHandling),
    ) -> Self {
        let inputs = inputs.into_iter().zip(&time.upstream).zip(&graph.sources);
        let inputs: Vec<Input> =
            inputs.map(|((open, subs), source)| Input::new(open, Upstream::new(subs), source.moves_clock)).collect();
        let times = inputs.iter().map(|input| input.opened_at);
        let committed_time =
            times.reduce(|a, b| (a.0.max(b.0), a.1.max(b.1))).unwrap_or((Timestamp::MIN, Timestamp::MIN));
        let due = vec![0; graph.punctuators.len()];
        let mut task = Task {
            id,
            graph,
            at,
            errors,
            held_until: Timestamp::MIN,
            unread: Vec::new(),
            not_now: None,
            inputs,
            restoring,
            restored: 0,
            to_restore: 0,
            due,
            time: TaskTime::new(time),
            committed_time,
            dirty: false,
            hooks_called: 0,
            idle_since: None,
        };
        task.to_restore = task.to_restore();
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

    /// Notes that a record failed; `is_final`: it is not tried again.
    pub(crate) fn note_failure(&mut self, (input, offset): (usize, i64), error: Box<RecordError>, is_final: bool) {
        self.inputs[input].failures.note(offset, error, is_final);
    }

    /// How often this record of a partition was tried, with its input; `None` if the task does not read it.
    pub(crate) fn attempts(&self, partition: &TopicPartition, offset: i64) -> Option<(usize, u32)> {
        let input = self.inputs.iter().position(|input| input.partition == *partition)?;
        Some((input, self.inputs[input].failures.attempts(offset)))
    }

    /// Has nothing done before then.
    pub(crate) fn hold(&mut self, until: Timestamp) {
        self.held_until = until;
    }

    pub(crate) fn held_until(&self) -> Timestamp {
        self.held_until
    }

    /// The record that was taken last since the last commit, by its input and offset.
    pub(crate) fn last_taken(&self) -> Option<(usize, i64)> {
        self.inputs.iter().enumerate().find_map(|(index, input)| Some((index, input.last?)))
    }

    /// Whether a record was left out; if so, less of its dead letter is written the next time. `None` if it was not left out,
    /// `Some(false)` if there is no less.
    pub(crate) fn reduce_dead_letter(&mut self, (input, offset): (usize, i64)) -> Option<bool> {
        let failures = &mut self.inputs[input].failures;
        failures.is_final(offset).then(|| failures.reduce(offset))
    }

    /// An error of this record, which its partition and node are added to.
    pub(crate) fn error_of(&self, (input, offset): (usize, i64), error: ProcessError) -> TaskError {
        TaskError::of(error, &self.graph.names, &self.inputs, Some((input, offset)))
    }

    /// The failures noted, with their partitions.
    pub(crate) fn take_failures(&mut self) -> impl Iterator<Item = (TopicPartition, Failures)> {
        let failures = |input: &mut Input| (input.partition.clone(), std::mem::take(&mut input.failures));
        self.inputs.iter_mut().map(failures)
    }

    /// Takes back the failures noted of a task that was opened anew.
    pub(crate) fn put_failures(&mut self, mut of: impl FnMut(&TopicPartition) -> Option<Failures>) {
        for input in &mut self.inputs {
            input.failures = of(&input.partition).unwrap_or_default();
        }
    }

    /// An error of the record that has its turn, or, without one, of the task.
    fn failed(&self, error: ProcessError) -> TaskError {
        TaskError::of(error, &self.graph.names, &self.inputs, self.at.record())
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
