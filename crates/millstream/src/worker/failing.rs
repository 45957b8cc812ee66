use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ErrorAction, ErrorLabels, Guarantee, Worker, WorkerStatus};
use crate::broker::TopicPartition;
use crate::processor::{ErrorPolicy, Left, ProcessError, RecordErrorKind};
use crate::record::Timestamp;
use crate::task::{Failures, RecordError, TaskError};

/// What a worker remembers of records that failed, beside what its tasks do.
#[derive(Default)]
pub(super) struct Failing {
    /// The failures of tasks that are opened anew.
    carried: BTreeMap<TopicPartition, Failures>,
    /// While it is looked for the record that the last commit failed of.
    narrowing: Option<Narrowing>,
    /// For each node that failed without a record: how often, and when last.
    unplaced: BTreeMap<Option<Arc<str>>, (u32, Timestamp)>,
    log: LogLimit,
}

/// A commit failed for what came of some record. Ever fewer records are committed at once, until one is left.
struct Narrowing {
    /// How many records the next commit is of, at most.
    limit: u64,
    /// How many records the one is still among.
    suspects: u64,
}

/// Failures without a record that are so far apart, in ms, are not the same one again.
const APART_MS: i64 = 600_000;

/// So many records that failed are logged in a while; the others are counted.
const LOGGED_MAX: u32 = 10;
const LOGGED_MS: i64 = 10_000;

#[derive(Default)]
struct LogLimit {
    since: Timestamp,
    logged: u32,
    more: u64,
}

impl LogLimit {
    /// Whether there is room for one more; says how many there was none for.
    fn admit(&mut self, now: Timestamp) -> bool {
        if now - self.since >= LOGGED_MS {
            if self.more > 0 {
                tracing::warn!(records = self.more, "more records failed, which the metrics count");
            }
            *self = LogLimit { since: now, logged: 0, more: 0 };
        }
        let admitted = self.logged < LOGGED_MAX;
        match admitted {
            true => self.logged += 1,
            false => self.more += 1,
        }
        admitted
    }
}

impl Failing {
    /// How many records may be taken until the next commit.
    pub(super) fn budget(&self, taken: u64) -> usize {
        let left = self.narrowing.as_ref().map_or(u64::MAX, |narrowing| narrowing.limit.saturating_sub(taken));
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// Takes the failures of a task that is dropped and will be opened anew.
    pub(super) fn carry(&mut self, failures: impl Iterator<Item = (TopicPartition, Failures)>) {
        self.carried.extend(failures.filter(|(_, failures)| !failures.is_empty()));
    }

    pub(super) fn carried(&mut self, partition: &TopicPartition) -> Option<Failures> {
        self.carried.remove(partition)
    }

    /// So many records were committed, none of which is to blame.
    fn clear(&mut self, taken: u64) {
        if let Some(narrowing) = &mut self.narrowing {
            narrowing.suspects = narrowing.suspects.saturating_sub(taken);
            if narrowing.suspects == 0 {
                self.narrowing = None;
            }
        }
    }
}

/// What is done about an error of a record.
enum Next {
    Retry(Timestamp),
    LeaveOut,
    Fail,
}

impl Worker {
    /// A record failed: all since the last commit is taken back, and done again up to it.
    pub(super) fn recover_record(&mut self, error: Box<RecordError>, now: Timestamp) {
        let Some(offset) = error.offset else { return self.recover_unplaced(error, now) };
        let found = self.tasks.iter().enumerate().find_map(|(index, task)| {
            let (input, attempts) = task.attempts(&error.partition, offset)?;
            Some((index, input, attempts + 1))
        });
        let Some((task, input, attempts)) = found else { return self.fail_with(&error) };
        let policies = &self.options().errors;
        let next = if attempts < policies.attempts(error.kind) {
            Next::Retry(now + policies.retry.backoff_ms)
        } else if policies.of(error.kind) != ErrorPolicy::Fail || self.application.topology.handles_errors {
            Next::LeaveOut
        } else {
            Next::Fail
        };
        match next {
            Next::Fail => self.fail_with(&error),
            Next::Retry(until) => {
                self.count(&error, ErrorAction::Retry);
                if self.failing.log.admit(now) {
                    tracing::warn!(worker = self.index, attempts, %error, "a record is tried again");
                }
                self.tasks[task].note_failure((input, offset), error, false);
                self.abort(now);
                // None, if the tasks are opened anew.
                if let Some(task) = self.tasks.get_mut(task) {
                    task.hold(until);
                    self.status.retry_at.store(until, std::sync::atomic::Ordering::Relaxed);
                }
            }
            Next::LeaveOut => {
                self.tasks[task].note_failure((input, offset), error, true);
                self.abort(now);
            }
        }
    }

    /// A punctuation failed, or what an operator does before a commit: there is no record to leave out.
    fn recover_unplaced(&mut self, error: Box<RecordError>, now: Timestamp) {
        let retry = self.options().errors.retry;
        let (attempts, last) = self.failing.unplaced.entry(error.node.clone()).or_insert((0, now));
        if now - *last > APART_MS.max(10 * retry.backoff_ms) {
            *attempts = 0;
        }
        (*attempts, *last) = (*attempts + 1, now);
        if *attempts >= retry.attempts.max(1) {
            return self.fail_with(&error);
        }
        tracing::warn!(worker = self.index, attempts, %error, "going back to the last commit, to try again");
        self.count(&error, ErrorAction::Retry);
        self.abort(now);
        self.resume_at = now + retry.backoff_ms;
        self.status.retry_at.store(self.resume_at, std::sync::atomic::Ordering::Relaxed);
    }

    /// What came of some record since the last commit cannot be written: it is looked for.
    pub(super) fn recover_earlier(&mut self, message: String, now: Timestamp) {
        let taken = self.output.as_ref().map_or(0, |output| output.taken);
        let last = self.tasks.iter().enumerate().find_map(|(index, task)| Some((index, task.last_taken()?)));
        match (taken, last) {
            (1, Some((task, record))) => {
                self.failing.narrowing = None;
                match self.tasks[task].reduce_dead_letter(record) {
                    // It was left out, and it is its dead letter that was refused.
                    Some(true) => self.abort_commit(now),
                    left_out => {
                        let why = if left_out.is_some() { "its dead letter cannot be written: " } else { "" };
                        let error = ProcessError::of_kind(RecordErrorKind::Write, format!("{why}{message}"));
                        match self.tasks[task].error_of(record, error) {
                            TaskError::Record(error) if left_out.is_none() => {
                                self.recover_record(error, now);
                                let is_ahead = self.options().guarantee == Guarantee::AtLeastOnce;
                                if is_ahead && self.output.is_some() {
                                    self.reset();
                                }
                            }
                            error => self.fail(error.to_string()),
                        }
                    }
                }
            }
            (0 | 1, _) => self.fail(format!("no record is to blame: {message}")),
            (taken, _) => {
                let limit = taken / 2;
                tracing::warn!(worker = self.index, records = taken, error = message, "looking for the record");
                self.failing.narrowing = Some(Narrowing { limit, suspects: taken });
                self.abort_commit(now);
            }
        }
    }

    /// Takes back what was done for a commit that failed. Without transactions changelogs may be ahead by then, so that tasks
    /// are opened anew from them.
    fn abort_commit(&mut self, now: Timestamp) {
        match self.options().guarantee {
            Guarantee::ExactlyOnce => self.abort(now),
            Guarantee::AtLeastOnce => self.reset(),
        }
    }

    pub(super) fn fail_with(&mut self, error: &RecordError) {
        self.count(error, ErrorAction::Fail);
        self.fail(error.to_string());
    }

    fn count(&self, error: &RecordError, action: ErrorAction) {
        self.status.add_errors(labels(error.node.as_ref(), error.kind, action), 1);
    }

    /// A commit went through: what was left out is counted, once.
    pub(super) fn note_left(&mut self, taken: u64, left: Vec<Left>, now: Timestamp) {
        self.failing.clear(taken);
        for Left { node, kind, policy, error } in left {
            let action = match policy {
                ErrorPolicy::DeadLetter => ErrorAction::DeadLetter,
                _ => ErrorAction::Skip,
            };
            self.status.add_errors(labels(node.as_ref(), kind, action), 1);
            if self.failing.log.admit(now) {
                tracing::warn!(worker = self.index, action = action.as_str(), error, "a record was left out");
            }
        }
    }

    /// Rows that a restore left out.
    pub(super) fn count_unread(status: &WorkerStatus, store: &str, count: u64) {
        let node = store.into();
        status.add_errors(ErrorLabels { node, kind: RecordErrorKind::Read, action: ErrorAction::Skip }, count);
    }
}

fn labels(node: Option<&Arc<str>>, kind: RecordErrorKind, action: ErrorAction) -> ErrorLabels {
    ErrorLabels { node: node.cloned().unwrap_or_else(|| "commit".into()), kind, action }
}
