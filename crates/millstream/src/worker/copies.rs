use std::collections::{BTreeMap, BTreeSet};

use super::step::RETRY_MS;
use super::transfer::{Taken, TakingOver};
use super::{TaskState, TaskStatus, Worker, WorkerStatus};
use crate::broker::{Assignment, BrokerError, ErrorKind, PartitionReader, Position, TopicPartition};
use crate::processor::ErrorPolicy;
use crate::record::Timestamp;
use crate::task::{ChangelogBatch, TaskError, TaskId, read_changelog};
use crate::topology::TaskGraph;

/// The state of a task that does not run here: as its changelogs say, up to a position in each.
pub(super) struct WarmCopy {
    pub(super) task: TaskId,
    pub(super) graph: TaskGraph,
    /// In the order of the stores that have a changelog.
    pub(super) followed: Vec<Followed>,
    /// Until when it is kept without being read on: long before a changelog could have forgotten a deletion. `None` for a
    /// standby, which is read on.
    parked_until: Option<Timestamp>,
    /// While its stores are filled from another instance's memory.
    filling: Option<TakingOver>,
}

/// How far a copy's store follows its changelog.
pub(super) struct Followed {
    /// The store's place in the graph.
    pub(super) store: usize,
    pub(super) partition: TopicPartition,
    /// The offset up to which it is complete.
    pub(super) position: i64,
    /// The changelog's end when it was last looked at; `None` before that.
    end: Option<i64>,
    /// Whether nothing was there to be read when it was last read.
    is_at_end: bool,
    /// Up to where it may be read: of a source topic no further than its task has come, as the group says.
    limit: i64,
    /// Whether the reader has gone further than the position.
    must_seek: bool,
    pub(super) reader: Option<Box<dyn PartitionReader>>,
}

/// The copies of a worker.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) all: Vec<WarmCopy>,
    /// The tasks of which standbys are wanted; for each, how far its changelogs may be read, where that is limited.
    wanted: BTreeMap<TaskId, Vec<i64>>,
    /// For the standbys to begin: since when another instance is looked for that has the state, and when next.
    sought: BTreeMap<TaskId, (Timestamp, Timestamp)>,
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
/// How often, in ms, ends of changelogs are asked for while copies are behind, and at most told how far they are.
const LOOK_MS: i64 = 3_000;
const PUBLISH_MS: i64 = 100;
/// How often, in ms, it is told how far stores have come that are kept in source topics.
const TELL_MS: i64 = 1_000;
/// For how long, in ms, and how often another instance is looked for that has the state of a standby: while tasks move it may not
/// be told yet where they are.
const SEEK_MS: i64 = 3_000;
const SEEK_AGAIN_MS: i64 = 200;

/// What came of looking for somebody who has a task's state.
enum Sought {
    /// It comes.
    Found(TakingOver),
    /// Nobody says so yet.
    NotYet,
    /// It is to be read from the changelogs.
    Nobody,
}

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

impl WarmCopy {
    /// The state of a task that is given away; `positions` are the ends of its changelogs.
    pub(super) fn parked(
        task: TaskId,
        graph: TaskGraph,
        changelogs: Vec<TopicPartition>,
        positions: Vec<i64>,
        until: Timestamp,
    ) -> Self {
        let mut copy = WarmCopy::new(task, graph, changelogs);
        for (followed, position) in copy.followed.iter_mut().zip(positions) {
            followed.position = position;
        }
        copy.parked_until = Some(until);
        copy
    }

    fn new(task: TaskId, graph: TaskGraph, changelogs: Vec<TopicPartition>) -> Self {
        let stores = graph.stores.iter().enumerate().filter(|(_, store)| store.changelog.is_some());
        let followed = stores.zip(changelogs).map(|((store, _), partition)| Followed {
            store,
            partition,
            position: 0,
            end: None,
            is_at_end: false,
            limit: i64::MAX,
            must_seek: false,
            reader: None,
        });
        WarmCopy { task, followed: followed.collect(), graph, parked_until: None, filling: None }
    }

    /// Whether it is one that is read on.
    fn is_standby(&self) -> bool {
        self.parked_until.is_none() && self.filling.is_none()
    }

    /// Whether it holds anything yet that is worth being kept, or a task that is to be opened waits for it.
    fn is_kept(&self) -> bool {
        self.filling.is_none() || self.parked_until.is_some()
    }

    /// Whether the copy can be completed up to there. A changelog that is shorter than it was is another one, made anew.
    pub(super) fn fits(&self, ends: &[i64]) -> bool {
        self.followed.iter().zip(ends).all(|(followed, end)| followed.position <= *end)
    }

    /// About how many records are missing; `None` as long as nobody has asked.
    fn lag(&self) -> Option<u64> {
        let missing = |followed: &Followed| {
            let end = followed.end?.min(followed.limit);
            Some(end.saturating_sub(followed.position).max(0) as u64)
        };
        self.followed.iter().map(missing).sum()
    }

    fn park(&mut self, until: Timestamp) {
        self.parked_until = Some(until);
        for followed in &mut self.followed {
            (followed.reader, followed.must_seek) = (None, false);
        }
    }
}

impl Followed {
    /// Reads on; returns how many records there were.
    fn read(
        &mut self,
        task: TaskId,
        graph: &TaskGraph,
        records_max: usize,
        leaves_out: bool,
    ) -> Result<u64, TaskError> {
        let Followed { store, position, limit, end, is_at_end, must_seek, reader, .. } = self;
        let Some(reader) = reader else { return Ok(0) };
        if records_max == 0 {
            return Ok(0);
        }
        if *position >= *limit {
            *is_at_end = true;
            return Ok(0);
        }
        if std::mem::take(must_seek) {
            reader.seek(Position::Offset(*position))?;
        }
        let read =
            read_changelog(task, &graph.stores[*store], &mut **reader, position, *limit, records_max, leaves_out)?;
        let ChangelogBatch { records, end: reached, is_cut, not_now, .. } = read;
        // An end beyond the limit is not the store's: what lies between may still be written.
        *position = (*position).min(*limit);
        *must_seek = is_cut || not_now.is_some();
        *end = reached.or(*end);
        *is_at_end = reached.is_some() || (*is_at_end && records == 0);
        not_now.map_or(Ok(records), |error| Err(error.into()))
    }

    /// Puts the reader to where a restore is to go on.
    pub(super) fn into_reader(mut self) -> Result<Option<Box<dyn PartitionReader>>, BrokerError> {
        if let Some(reader) = &mut self.reader
            && self.must_seek
        {
            reader.seek(Position::Offset(self.position))?;
        }
        Ok(self.reader)
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

    /// Opens the readers that the copy lacks.
    fn follow(&self, copy: &mut WarmCopy) -> Result<(), BrokerError> {
        for followed in &mut copy.followed {
            if followed.reader.is_none() {
                let position = followed.position;
                let from = if position == 0 { Position::Beginning } else { Position::Offset(position) };
                let assignment = Assignment { partition: followed.partition.clone(), from, waker: self.waker.clone() };
                followed.reader = Some(self.broker.reader(assignment)?);
            }
        }
        Ok(())
    }

    /// Looks for another instance that has the state of a task of which a standby is to begin.
    fn seek(&mut self, task: TaskId, now: Timestamp) -> Sought {
        let since = self.copies.sought.get(&task).map_or(now, |(since, _)| *since);
        if !(0..SEEK_MS).contains(&(now - since)) || !self.may_have_peers() {
            self.copies.sought.remove(&task);
            return Sought::Nobody;
        }
        self.copies.sought.insert(task, (since, now + SEEK_AGAIN_MS));
        self.begin_to_take_over(task).map_or(Sought::NotYet, Sought::Found)
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

    /// Makes standbys of the copies that are wanted; one at a time, as that takes a moment.
    fn begin_standbys(&mut self, now: Timestamp) -> Result<bool, BrokerError> {
        let is_here = |task: &TaskId| {
            self.tasks.iter().any(|running| running.id == *task) || self.opening.iter().any(|o| o.task == *task)
        };
        let is_standby =
            |task: &TaskId| self.copies.all.iter().any(|copy| copy.task == *task && copy.parked_until.is_none());
        let waits = |task: &TaskId| self.copies.sought.get(task).is_some_and(|(_, next)| now < *next);
        let can_begin =
            |task: &TaskId| !self.copies.given_up.contains(task) && !is_here(task) && !is_standby(task) && !waits(task);
        let Some(task) = self.copies.wanted.keys().copied().find(can_begin) else { return Ok(false) };
        let mut copy = match self.take_copy(task) {
            Some(copy) => copy,
            None => match self.seek(task, now) {
                Sought::Found(filling) => WarmCopy { filling: Some(filling), ..self.begin_copy(task) },
                Sought::NotYet => return Ok(true),
                Sought::Nobody => self.begin_copy(task),
            },
        };
        limit(&mut copy, self.copies.wanted.get(&task), &self.application);
        if copy.filling.is_some() {
            copy.parked_until = None;
            self.copies.all.push(copy);
            return Ok(true);
        }
        let opened = self.follow(&mut copy);
        if opened.is_ok() {
            copy.parked_until = None;
            self.copies.sought.remove(&task);
            tracing::info!(%task, positions = ?positions(&copy), "standby");
        } else if copy.parked_until.is_none() {
            // It was not one yet.
            return opened.map(|()| true);
        }
        self.copies.all.push(copy);
        opened.map(|()| true)
    }

    /// Asks how far those are behind that have begun, and now and then those that have something to read.
    fn look_for_ends(&mut self, now: Timestamp) -> Result<(), BrokerError> {
        let Copies { all, looked_at, .. } = &mut self.copies;
        let is_due = is_over(*looked_at, LOOK_MS, now);
        if is_due {
            *looked_at = now;
        }
        let standbys = all.iter_mut().filter(|copy| copy.is_standby());
        let followed = standbys.flat_map(|copy| &mut copy.followed);
        let unknown: Vec<_> = followed.filter(|f| f.end.is_none() || (is_due && !f.is_at_end)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let partitions: Vec<TopicPartition> = unknown.iter().map(|followed| followed.partition.clone()).collect();
        let ends = self.broker.end_offsets(&partitions)?;
        unknown.into_iter().zip(ends).for_each(|(followed, end)| followed.end = Some(end));
        self.publish_tasks();
        Ok(())
    }

    fn read_standbys(&mut self, now: Timestamp, records_max: usize) -> bool {
        let skips = self.application.options.errors.read != ErrorPolicy::Fail;
        let Copies { all, next, .. } = &mut self.copies;
        let count = all.len();
        let (mut left, mut failed, mut was_behind) = (records_max, Vec::new(), false);
        *next = next.checked_rem(count).unwrap_or(0);
        for turn in 0..count {
            let index = (*next + turn) % count;
            let copy = &mut all[index];
            if !copy.is_standby() || left == 0 {
                continue;
            }
            let WarmCopy { task, graph, followed, .. } = copy;
            let leaves_out = skips || graph.on_error.is_some();
            was_behind |= followed.iter().any(|followed| !followed.is_at_end);
            for followed in followed {
                match followed.read(*task, graph, left, leaves_out) {
                    Ok(records) => left -= (records as usize).min(left),
                    Err(error) => failed.push((*task, error)),
                }
            }
        }
        *next += 1;
        let read = records_max - left;
        WorkerStatus::add(&self.status.standby_records, read as u64);
        let any_failed = !failed.is_empty();
        for (task, error) in failed {
            self.drop_standby(task, error, now);
        }
        let standbys = || self.copies.all.iter().filter(|copy| copy.is_standby());
        let is_done = standbys().flat_map(|copy| &copy.followed).all(|followed| followed.is_at_end);
        if any_failed || (was_behind && is_done) || (read > 0 && is_over(self.copies.published_at, PUBLISH_MS, now)) {
            self.copies.published_at = now;
            self.publish_tasks();
        }
        read > 0
    }

    /// A standby that cannot go on as it is.
    fn drop_standby(&mut self, task: TaskId, error: TaskError, now: Timestamp) {
        let kind = match &error {
            TaskError::Broker(error) => error.kind,
            TaskError::Record(_) | TaskError::Final(_) => ErrorKind::Fatal,
        };
        match kind {
            ErrorKind::Retry | ErrorKind::Abort => {
                tracing::warn!(%task, %error, "a standby is not read; trying again");
                self.copies.resume_at = now + 10 * RETRY_MS;
                return;
            }
            ErrorKind::Fenced => tracing::warn!(%task, %error, "a standby begins anew"),
            ErrorKind::Fatal | ErrorKind::Record | ErrorKind::EarlierRecord => {
                tracing::error!(%task, %error, "no standby is kept of this task");
                self.copies.given_up.insert(task);
            }
        }
        self.copies.all.retain(|copy| copy.task != task);
    }

    /// Begins to fill a copy from another instance's memory for a task that is to be opened, if there is no copy.
    pub(super) fn fill_for_opening(&mut self, task: TaskId, now: Timestamp) {
        if self.copies.all.iter().any(|copy| copy.task == task) {
            return;
        }
        if let Some(filling) = self.begin_to_take_over(task) {
            let parked_until = Some(now + self.options().parked_ms);
            self.copies.all.push(WarmCopy { filling: Some(filling), parked_until, ..self.begin_copy(task) });
        }
    }

    /// Takes what has come for copies that are filled from another instance's memory; returns whether something has.
    fn fill_copies(&mut self, now: Timestamp) -> bool {
        let (mut busy, until) = (false, now + self.options().parked_ms);
        for mut copy in std::mem::take(&mut self.copies.all) {
            let Some(filling) = &mut copy.filling else {
                self.copies.all.push(copy);
                continue;
            };
            let (task, from) = (copy.task, filling.from.clone());
            match filling.step(&copy.graph) {
                Ok(Taken::Rows(rows)) => {
                    WorkerStatus::add(&self.status.transferred, rows);
                    busy |= rows > 0;
                    self.copies.all.push(copy);
                }
                Ok(Taken::All { rows, positions }) => {
                    WorkerStatus::add(&self.status.transferred, rows);
                    tracing::info!(%task, from, rows = filling.rows, "its state was taken from another instance");
                    for followed in &mut copy.followed {
                        followed.position = positions.get(followed.store).copied().unwrap_or_default();
                    }
                    copy.filling = None;
                    // A standby is followed from there on when it is begun.
                    copy.parked_until = Some(until);
                    self.copies.all.push(copy);
                    busy = true;
                }
                // What is here is of no use. A standby is sought again, a task to be opened is restored from its changelogs.
                Err(error) => {
                    tracing::info!(%task, from, error, "its state is not taken from another instance");
                    busy = true;
                }
            }
        }
        busy
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

/// Of a source topic nothing is read that the group has not committed; nothing at all as long as that is not known.
fn limit(copy: &mut WarmCopy, limits: Option<&Vec<i64>>, application: &super::Application) {
    let stores = &application.topology.sub_topologies[copy.task.sub_topology].stores;
    let from_source = stores.iter().filter(|store| store.changelog.is_some()).map(|store| store.from_source);
    for (index, (followed, from_source)) in copy.followed.iter_mut().zip(from_source).enumerate() {
        if from_source {
            let told = limits.and_then(|limits| limits.get(index)).copied().unwrap_or(-1);
            followed.is_at_end &= told <= followed.limit;
            followed.limit = told.max(followed.position);
        }
    }
}

/// Whether so much time has passed; also when the machine's clock was set back.
fn is_over(since: Timestamp, ms: i64, now: Timestamp) -> bool {
    now < since || now.saturating_sub(since) >= ms
}

fn positions(copy: &WarmCopy) -> Vec<i64> {
    copy.followed.iter().map(|followed| followed.position).collect()
}
