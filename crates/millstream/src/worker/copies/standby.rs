//! Standbys: where one begins, how it is read on, and when it is given up.

use super::warm_copy::{WarmCopy, limit, positions};
use super::{Copies, is_over};
use crate::broker::{Assignment, BrokerError, ErrorKind, Position, TopicPartition};
use crate::processor::ErrorPolicy;
use crate::record::Timestamp;
use crate::task::{TaskError, TaskId};
use crate::worker::step::RETRY_MS;
use crate::worker::transfer::TakingOver;
use crate::worker::{Worker, WorkerStatus};

/// How often, in ms, ends of changelogs are asked for while copies are behind, and at most told how far they are.
const LOOK_MS: i64 = 3_000;
const PUBLISH_MS: i64 = 100;
/// For how long, in ms, and how often another instance is looked for that has the state of a standby: while tasks move it may not
/// be told yet where they are.
const SEEK_MS: i64 = 3_000;
const SEEK_AGAIN_MS: i64 = 200;
/// How often it may break off to take it, as it does when the other one gives the task away.
const BROKEN_OFF_MAX: u32 = 5;

/// A search for another instance that has a task's state.
#[derive(Clone, Copy)]
pub(super) struct Search {
    /// Since when there was nobody.
    since: Timestamp,
    next: Timestamp,
    broken_off: u32,
}

/// What came of looking for somebody who has a task's state.
enum Sought {
    /// It comes.
    Found(TakingOver),
    /// Nobody says so yet.
    NotYet,
    /// It is to be read from the changelogs.
    Nobody,
}

impl Worker {
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
        let search = self.copies.sought.entry(task).or_insert(Search { since: now, next: now, broken_off: 0 });
        search.next = now + SEEK_AGAIN_MS;
        let is_over = !(0..SEEK_MS).contains(&(now - search.since)) || search.broken_off > BROKEN_OFF_MAX;
        if is_over || !self.may_have_peers() {
            self.copies.sought.remove(&task);
            return Sought::Nobody;
        }
        self.begin_to_take_over(task).map_or(Sought::NotYet, Sought::Found)
    }

    /// A standby was not filled to the end: another instance is looked for anew.
    pub(super) fn seek_again(&mut self, task: TaskId, now: Timestamp) {
        if let Some(search) = self.copies.sought.get_mut(&task) {
            (search.since, search.next) = (now, now + SEEK_AGAIN_MS);
            search.broken_off += 1;
        }
    }

    /// Makes standbys of the copies that are wanted; one at a time, as that takes a moment.
    pub(super) fn begin_standbys(&mut self, now: Timestamp) -> Result<bool, BrokerError> {
        let is_here = |task: &TaskId| {
            self.tasks.iter().any(|running| running.id == *task) || self.opening.iter().any(|o| o.task == *task)
        };
        let is_standby =
            |task: &TaskId| self.copies.all.iter().any(|copy| copy.task == *task && copy.parked_until.is_none());
        let waits = |task: &TaskId| self.copies.sought.get(task).is_some_and(|search| now < search.next);
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
    pub(super) fn look_for_ends(&mut self, now: Timestamp) -> Result<(), BrokerError> {
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

    pub(super) fn read_standbys(&mut self, now: Timestamp, records_max: usize) -> bool {
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
}
