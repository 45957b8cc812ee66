use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

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
    late: Mutex<BTreeMap<Arc<str>, u64>>,
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
        /// Records read so far.
        restored: u64,
        /// About how many there are; offsets that hold no record count too.
        total: u64,
    },
    /// It processes records.
    Running,
}

impl WorkerStatus {
    /// The worker's tasks.
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

    pub(crate) fn set_tasks(&self, tasks: Vec<TaskStatus>) {
        *self.tasks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = tasks;
    }

    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
