use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::task::TaskId;

/// What a worker tells about itself, for metrics and health; read from any thread at any time.
#[derive(Debug, Default)]
pub struct WorkerStatus {
    /// Records processed.
    pub consumed: AtomicU64,
    /// Records sent, those to changelogs included.
    pub produced: AtomicU64,
    /// Records read from changelogs.
    pub restored: AtomicU64,
    /// Records of changelogs read for standbys.
    pub standby_records: AtomicU64,
    /// Tasks opened: one that stays where it is, is not opened anew.
    pub opened: AtomicU64,
    /// Commits that went through.
    pub commits: AtomicU64,
    /// Times that tasks went back to their last commit.
    pub aborts: AtomicU64,
    /// When the worker last moved: ms since 1970 by the clock that it is stepped with.
    pub moved_at: AtomicI64,
    /// Whether all records here are processed and committed.
    pub is_idle: AtomicBool,
    tasks: Mutex<Vec<TaskStatus>>,
    /// How often the tasks were set.
    changes: AtomicU64,
    positions: Mutex<BTreeMap<TaskId, Vec<i64>>>,
    late: Mutex<BTreeMap<Arc<str>, u64>>,
}

/// What a worker tells about one of its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// The task.
    pub id: TaskId,
    /// What it does.
    pub state: TaskState,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Its stores are being completed from their changelogs.
    Restoring {
        /// Records read so far.
        restored: u64,
        /// About how many there are; offsets that hold no record count too.
        total: u64,
    },
    /// It processes records.
    Running,
    /// It runs elsewhere, and its state is kept here as well, in case that it comes here.
    Standby {
        /// About how many records of its changelogs are missing.
        lag: u64,
    },
}

impl TaskStatus {
    /// Whether it is a standby that misses no more than so many records.
    pub(crate) fn is_standby_within(&self, records: u64) -> bool {
        matches!(self.state, TaskState::Standby { lag } if lag <= records)
    }
}

impl WorkerStatus {
    /// The worker's tasks, standbys included.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// How many records came too late, for each node that had some.
    pub fn late(&self) -> BTreeMap<Arc<str>, u64> {
        self.late.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Counts late records of a node.
    pub fn add_late(&self, node: &Arc<str>, count: u64) {
        let mut late = self.late.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *late.entry(node.clone()).or_default() += count;
    }

    /// Another number after each change of the tasks.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn set_tasks(&self, tasks: Vec<TaskStatus>) {
        *self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = tasks;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// For each of its tasks, standbys included, up to where its stores hold each of their changelogs; -1 where the task
    /// itself writes it.
    pub(crate) fn positions(&self) -> BTreeMap<TaskId, Vec<i64>> {
        self.positions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn set_positions(&self, positions: BTreeMap<TaskId, Vec<i64>>) {
        *self.positions.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = positions;
    }

    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
