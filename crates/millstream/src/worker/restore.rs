//! Tasks whose stores are being completed from their changelogs.

use std::collections::BTreeMap;

use super::backoff::Backoff;
use super::message::Report;
use super::rate::Rate;
use super::{TaskState, Worker, WorkerStatus};
use crate::broker::{BrokerError, ErrorKind, TopicPartition};
use crate::record::Timestamp;
use crate::task::{Task, TaskError, TaskId};

/// How many changelogs a worker reads at a time. The client fetches ahead for each; and the fewer there are, the sooner the
/// first tasks run.
pub(super) const CHANGELOGS_AT_ONCE: usize = 8;
/// How many records one changelog hands over before the next one has its turn: alone, and beside tasks that run.
const TURN: usize = 4096;
const TURN_BESIDE_RUNNING: usize = 1024;
/// How often progress is logged, and what stands still is looked at.
const LOG_MS: i64 = 5_000;

/// How the restores of a worker get on.
#[derive(Default)]
pub(super) struct Restoring {
    rates: BTreeMap<TaskId, Rate>,
    logged_at: Timestamp,
    /// After an error that may pass: no reader is opened before then.
    retry: Backoff,
}

impl Restoring {
    /// What a task does that is not complete.
    pub(super) fn state(&self, task: &Task) -> TaskState {
        let (_, total) = task.restore_progress();
        let left = task.to_restore();
        let rate = self.rates.get(&task.id);
        TaskState::Restoring {
            restored: total.saturating_sub(left),
            total,
            records_per_second: rate.map_or(0, Rate::records_per_second),
            seconds_left: rate.and_then(|rate| rate.seconds_left(left)),
        }
    }
}

impl Worker {
    /// Reads a turn of each changelog that is being read; returns whether there was something.
    pub(super) fn restore(&mut self, now: Timestamp) -> Result<bool, TaskError> {
        if self.tasks.iter().all(Task::is_running) {
            return Ok(false);
        }
        self.open_readers(now);
        let turn = if self.tasks.iter().any(Task::is_running) { TURN_BESIDE_RUNNING } else { TURN };
        let (mut busy, mut failed) = (false, None);
        for task in self.tasks.iter_mut().filter(|task| !task.is_running()) {
            let records = match task.restore(turn) {
                Ok(records) => records,
                Err(TaskError::Broker(error)) if matches!(error.kind, ErrorKind::Fenced | ErrorKind::Retry) => {
                    failed = Some((task.id, error));
                    break;
                }
                Err(error) => return Err(error),
            };
            for (store, count) in task.take_unread() {
                Worker::count_unread(&self.status, &store, count);
            }
            WorkerStatus::add(&self.status.restored, records);
            if records > 0 {
                self.restoring.retry.succeeded();
                busy = true;
            }
            if let Some(error) = task.take_not_now() {
                let ms = self.restoring.retry.failed(now);
                self.status.retry_at.store(now + ms, std::sync::atomic::Ordering::Relaxed);
                tracing::warn!(task = %task.id, %error, "the restore goes on in {ms} ms");
            }
            let (restored, offsets) = task.restore_progress();
            if task.is_running() {
                tracing::info!(task = %task.id, records = restored, "task restored");
                self.restoring.rates.remove(&task.id);
                self.committing.began(now);
                busy = true;
            } else {
                let rate = self.restoring.rates.entry(task.id).or_default();
                rate.note(restored, offsets.saturating_sub(task.to_restore()), now);
            }
        }
        if let Some((task, error)) = failed {
            self.begin_anew(task, &error);
            busy = true;
        }
        if !(0..LOG_MS).contains(&(now - self.restoring.logged_at)) {
            self.restoring.logged_at = now;
            self.log_restore();
            busy |= self.look_at_stalled();
            self.publish_tasks();
        }
        if busy {
            self.publish_tasks();
        }
        Ok(busy)
    }

    fn open_readers(&mut self, now: Timestamp) {
        if self.restoring.retry.is_waiting(now) {
            return;
        }
        let open: usize = self.tasks.iter().map(Task::open_changelogs).sum();
        let mut room = CHANGELOGS_AT_ONCE.saturating_sub(open);
        for task in self.tasks.iter_mut().filter(|task| !task.is_running()) {
            if let Err(error) = task.open_readers(&*self.broker, &self.waker, &mut room) {
                // Whatever it is, what is read already can go on.
                let ms = self.restoring.retry.failed(now);
                tracing::warn!(task = %task.id, %error, "a changelog cannot be read yet; trying again in {ms} ms");
                return;
            }
        }
    }

    /// Lets go of a task's state, and has the task opened once more.
    fn begin_anew(&mut self, id: TaskId, why: &BrokerError) {
        tracing::warn!(task = %id, error = %why, "the restore begins anew");
        self.restoring.rates.remove(&id);
        if let Some(index) = self.tasks.iter().position(|task| task.id == id) {
            let (_, readers) = self.tasks.remove(index).into_parts();
            self.report(Report::NotOpened { task: id, readers });
        }
    }

    /// What does not get on is either waited for, or begun anew if the changelog is not what it was. Returns whether it is.
    fn look_at_stalled(&mut self) -> bool {
        let stalled: Vec<(TaskId, TopicPartition, i64)> = (self.tasks.iter())
            .flat_map(|task| task.stalled().map(|(partition, end)| (task.id, partition.clone(), end)))
            .collect();
        if stalled.is_empty() {
            return false;
        }
        let partitions: Vec<TopicPartition> = stalled.iter().map(|(_, partition, _)| partition.clone()).collect();
        let ends = match self.broker.end_offsets(&partitions) {
            Ok(ends) => ends,
            Err(error) => {
                tracing::warn!(worker = self.index, %error, "a restore does not get on");
                return false;
            }
        };
        for ((task, partition, expected), end) in stalled.into_iter().zip(ends) {
            if end < expected {
                let message =
                    format!("{partition} ends at offset {end}, and ended at {expected} before: it was cut off");
                self.begin_anew(task, &BrokerError::new(ErrorKind::Fenced, message));
                return true;
            }
            tracing::info!(%task, %partition, "the restore waits for a transaction that is open");
        }
        false
    }

    /// Each task that is being read, and all together.
    fn log_restore(&self) {
        let restoring = || self.tasks.iter().filter(|task| !task.is_running());
        let (mut done, mut of, mut per_second, mut waiting) = (0, 0, 0, 0);
        for task in restoring() {
            let TaskState::Restoring { restored, total, records_per_second, seconds_left } = self.restoring.state(task)
            else {
                continue;
            };
            (done, of, per_second) = (done + restored, of + total, per_second + records_per_second);
            if task.open_changelogs() == 0 {
                waiting += 1;
                continue;
            }
            tracing::info!(task = %task.id, records = restored, of = total, records_per_second, seconds_left, "restoring");
        }
        let tasks = restoring().count();
        let left: u64 = restoring().map(Task::to_restore).sum();
        let seconds_left =
            Rate::sum(restoring().filter_map(|task| self.restoring.rates.get(&task.id))).seconds_left(left);
        let worker = self.index;
        tracing::info!(
            worker,
            tasks,
            waiting,
            records = done,
            of,
            records_per_second = per_second,
            seconds_left,
            "restoring, all tasks"
        );
    }
}
