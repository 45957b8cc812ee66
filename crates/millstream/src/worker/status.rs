use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::error_counts::ErrorCounts;
use super::{At, ErrorLabels};
use crate::processor::Place;
use crate::state::StoreSize;
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
    /// Rows of state that came from other instances' memory.
    pub transferred: AtomicU64,
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
    /// About how many bytes wait outside of stores: records read ahead, those in asynchronous calls, parts of aggregates.
    pub buffer_bytes: AtomicU64,
    intake: AtomicU8,
    stores: Mutex<BTreeMap<Arc<str>, StoreSize>>,
    tasks: Mutex<Vec<TaskStatus>>,
    /// How often the tasks were set.
    changes: AtomicU64,
    positions: Mutex<BTreeMap<TaskId, Vec<i64>>>,
    late: Mutex<BTreeMap<Arc<str>, u64>>,
    /// When, in ms, a record is tried again that failed, or will be; 0 before the first.
    pub retry_at: AtomicI64,
    errors: ErrorCounts,
    pub(crate) place: Arc<Place>,
}

/// How fast a worker may read records, those of changelogs included. Commits go on at each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Intake {
    /// As fast as it can.
    #[default]
    Full,
    /// With a pause after each batch.
    Slow,
    /// Not at all.
    None,
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
        /// How many offsets of the changelogs are done; those that hold no record count too.
        restored: u64,
        /// How many there were to read when the task was opened.
        total: u64,
        /// Records a second of late; 0 where that is not known yet.
        records_per_second: u64,
        /// About how long it takes from now on, in s; `None` where that is not known yet.
        seconds_left: Option<u64>,
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

impl TaskState {
    /// Nothing is known of its changelogs yet.
    pub(crate) fn opening() -> Self {
        TaskState::Restoring { restored: 0, total: 0, records_per_second: 0, seconds_left: None }
    }
}

impl WorkerStatus {
    /// Where the worker is now; `None` while it processes nothing. Its parts are read one after another: while the worker
    /// goes on, they may be those of two records. Of one that hangs they are right.
    pub fn at(&self) -> Option<At> {
        At::of(&self.place)
    }

    /// The worker's tasks, standbys included.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// How much each store holds, of all its tasks here and those that were given away and are kept; as of a second ago.
    pub fn stores(&self) -> BTreeMap<Arc<str>, StoreSize> {
        self.stores.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn set_stores(&self, stores: BTreeMap<Arc<str>, StoreSize>) {
        *self.stores.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = stores;
    }

    /// How fast the worker may read.
    pub fn intake(&self) -> Intake {
        match self.intake.load(Ordering::Relaxed) {
            0 => Intake::Full,
            1 => Intake::Slow,
            _ => Intake::None,
        }
    }

    /// Says how fast the worker may read, from its next step on.
    pub fn set_intake(&self, intake: Intake) {
        self.intake.store(intake as u8, Ordering::Relaxed);
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

    /// How many records failed, by node, kind, and what was done about them. What is left out is counted once it is
    /// committed, and so once.
    pub fn errors(&self) -> BTreeMap<ErrorLabels, u64> {
        self.errors.get()
    }

    /// Counts records that failed.
    pub fn add_errors(&self, labels: ErrorLabels, count: u64) {
        self.errors.add(labels, count);
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
