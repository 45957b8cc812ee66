//! Copies of tasks' state that do not run here: parked, standby, or being filled.

mod fill;
mod standby;
mod warm_copy;

use std::collections::{BTreeMap, BTreeSet};

use self::standby::Search;
pub(super) use self::warm_copy::WarmCopy;
use self::warm_copy::{limit, positions};
use super::step::RETRY_MS;
use super::{TaskState, TaskStatus, Worker};
use crate::record::Timestamp;
use crate::task::TaskId;
use crate::topology::TaskGraph;

/// The copies of a worker.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) all: Vec<WarmCopy>,
    /// The tasks of which standbys are wanted; for each, how far its changelogs may be read, where that is limited.
    wanted: BTreeMap<TaskId, Vec<i64>>,
    /// For which standbys another instance is looked for that has the state.
    sought: BTreeMap<TaskId, Search>,
    /// Those that cannot be kept, as a row of theirs cannot be read: whoever runs the task says so too.
    given_up: BTreeSet<TaskId>,
    /// Whose turn it is to be read first.
    next: usize,
    looked_at: Timestamp,
    published_at: Timestamp,
    told_at: Timestamp,
    resume_at: Timestamp,
}

/// How many records are read for copies between two turns of the tasks that run, and when these have nothing to do.
const BATCH_BUSY: usize = 512;
const BATCH_IDLE: usize = 8192;
/// How often, in ms, it is told how far stores have come that are kept in source topics.
const TELL_MS: i64 = 1_000;

impl Copies {
    /// Whether the copy of a task is being filled from another instance's memory.
    pub(super) fn is_filling(&self, task: TaskId) -> bool {
        self.all.iter().any(|copy| copy.task == task && copy.filling.is_some())
    }

    /// All stores, without the readers.
    pub(super) fn into_graphs(self) -> Vec<TaskGraph> {
        self.all.into_iter().map(|copy| copy.graph).collect()
    }

    /// The stores of a copy.
    pub(super) fn graph(&self, task: TaskId) -> Option<&TaskGraph> {
        self.complete(task).map(|copy| &copy.graph)
    }

    /// Up to where in its changelogs the stores of a copy hold all there is; in the order of those that have one.
    pub(super) fn positions(&self, task: TaskId) -> Option<Vec<i64>> {
        self.complete(task).map(positions)
    }

    fn complete(&self, task: TaskId) -> Option<&WarmCopy> {
        self.all.iter().find(|copy| copy.task == task && copy.filling.is_none())
    }
}

impl Worker {
    /// Where a copy begins: with empty stores, at the beginning of each changelog.
    pub(super) fn begin_copy(&self, task: TaskId) -> WarmCopy {
        let application = &self.application;
        let id = &application.options.application_id;
        let graph = TaskGraph::build(id, &application.define, task.sub_topology, &self.globals.stores);
        WarmCopy::new(task, graph, self.changelogs(task))
    }

    /// These are the standbys to keep, and no others; each with the limits of its changelogs, -1 where there is none.
    pub(super) fn set_standbys(&mut self, wanted: BTreeMap<TaskId, Vec<i64>>, now: Timestamp) {
        let until = now + self.options().parked_ms;
        self.copies.all.retain(|copy| copy.is_kept() || wanted.contains_key(&copy.task));
        for copy in self.copies.all.iter_mut().filter(|copy| copy.parked_until.is_none()) {
            if !wanted.contains_key(&copy.task) {
                copy.park(until);
            }
        }
        self.copies.given_up.retain(|task| wanted.contains_key(task));
        self.copies.sought.retain(|task, _| wanted.contains_key(task));
        self.copies.wanted = wanted;
        for copy in &mut self.copies.all {
            limit(copy, self.copies.wanted.get(&copy.task), &self.application);
        }
        self.publish_tasks();
    }

    /// Reads standbys on, without holding up tasks that run; returns whether there is more to read.
    pub(super) fn step_copies(&mut self, now: Timestamp, is_busy: bool) -> bool {
        self.copies.all.retain(|copy| copy.parked_until.is_none_or(|until| now < until));
        if is_over(self.copies.told_at, TELL_MS, now) {
            self.copies.told_at = now;
            self.status.set_positions(self.positions_in_changelogs());
        }
        if !self.takes_in(now) {
            return false;
        }
        let filled = self.fill_copies(now);
        if self.copies.wanted.is_empty() || now < self.copies.resume_at {
            return filled;
        }
        let result = self.begin_standbys(now).and_then(|begun| {
            self.look_for_ends(now)?;
            Ok(begun | self.read_standbys(now, if is_busy { BATCH_BUSY } else { BATCH_IDLE }))
        });
        match result {
            Ok(more) => more | filled,
            Err(error) => {
                tracing::warn!(worker = self.index, %error, "standbys are not read; trying again");
                self.copies.resume_at = now + 10 * RETRY_MS;
                filled
            }
        }
    }

    /// Takes the copy of a task out.
    pub(super) fn take_copy(&mut self, task: TaskId) -> Option<WarmCopy> {
        let index = self.copies.all.iter().position(|copy| copy.task == task)?;
        Some(self.copies.all.swap_remove(index))
    }

    /// The standbys with how far they are behind.
    pub(super) fn standbys(&self) -> impl Iterator<Item = TaskStatus> {
        let standbys = self.copies.all.iter().filter(|copy| copy.is_standby());
        standbys.filter_map(|copy| Some(TaskStatus { id: copy.task, state: TaskState::Standby { lag: copy.lag()? } }))
    }

    /// For each task here, running or standby, up to where its stores hold their changelogs; -1 where it writes them itself.
    pub(super) fn positions_in_changelogs(&self) -> BTreeMap<TaskId, Vec<i64>> {
        let subs = &self.application.topology.sub_topologies;
        let running = self.tasks.iter().map(|task| {
            let stores = subs[task.id.sub_topology].stores.iter();
            let changelogs = stores.filter_map(|store| Some((store.changelog.as_ref()?, store.from_source)));
            let positions = changelogs.map(|(topic, from_source)| if from_source { task.committed(topic) } else { -1 });
            (task.id, positions.collect())
        });
        let standbys = self.copies.all.iter().filter(|copy| copy.is_standby());
        running.chain(standbys.map(|copy| (copy.task, positions(copy)))).collect()
    }
}

/// Whether so much time has passed; also when the machine's clock was set back.
fn is_over(since: Timestamp, ms: i64, now: Timestamp) -> bool {
    now < since || now.saturating_sub(since) >= ms
}
