use std::sync::atomic::Ordering;

use super::{Guarantee, Options, Worker, WorkerStatus};
use crate::broker::{BrokerError, ErrorKind};
use crate::processor::guarded_anywhere;
use crate::record::Timestamp;
use crate::task::{Task, TaskError};

/// When what happens at intervals happened last.
#[derive(Default)]
pub(super) struct Committing {
    committed_at: Timestamp,
    purged_at: Timestamp,
    /// Since when the commit that is due waits for asynchronous calls.
    draining_since: Option<Timestamp>,
    /// Whether the next commit comes as soon as there is something to commit.
    is_hastened: bool,
    /// The latest that the next commit is due: what tasks that began a moment ago put out was long waited for.
    at_latest: Option<Timestamp>,
    /// How much time, in ms, passes before the next commit, if that is more than the interval.
    stretched_ms: i64,
}

/// Positions alone, moved past markers at the end, are committed this many intervals after the last commit.
const POSITIONS_INTERVALS: i64 = 5;
/// So long after tasks begin to run comes the first commit, in ms, if the interval is longer.
const FIRST_MS: i64 = 20;
/// While a commit waits for asynchronous calls, ever fewer are under way. So that this is a small part of the time, also where
/// calls take longer than the interval, the next commit comes after so many times what this one waited, up to a limit.
const DRAINS: i64 = 4;
const STRETCHED_MAX_MS: i64 = 5_000;

impl Committing {
    /// Whether a commit waits for calls.
    pub(super) fn is_draining(&self) -> bool {
        self.draining_since.is_some()
    }

    pub(super) fn started(&mut self, now: Timestamp) {
        *self = Committing { committed_at: now, purged_at: now, ..Committing::default() };
    }

    /// Tasks begin to run.
    pub(super) fn began(&mut self, now: Timestamp) {
        self.at_latest.get_or_insert(now + FIRST_MS);
    }

    /// The next commit is not to wait for its time.
    pub(super) fn hasten(&mut self) {
        self.is_hastened = true;
    }

    pub(super) fn due_at(&self, options: &Options) -> Timestamp {
        if self.is_hastened {
            return self.committed_at;
        }
        let due = self.committed_at + options.commit_interval_ms.max(self.stretched_ms);
        self.at_latest.map_or(due, |latest| due.min(latest.max(self.committed_at)))
    }

    /// A commit that is due waits for calls.
    pub(super) fn wait(&mut self, now: Timestamp) {
        self.draining_since.get_or_insert(now);
    }

    /// No commit is waited for any longer, as it comes, or as the tasks go back.
    fn begin(&mut self, now: Timestamp) {
        self.committed_at = now;
        self.is_hastened = false;
        self.at_latest = None;
        let waited = self.draining_since.take().map_or(0, |since| now - since);
        self.stretched_ms = (DRAINS * waited).min(STRETCHED_MAX_MS);
    }

    /// `uncommitted` is what there is to commit: state or outputs (`true`), positions alone (`false`), or nothing.
    pub(super) fn is_due(&self, now: Timestamp, options: &Options, uncommitted: Option<bool>) -> bool {
        match uncommitted {
            Some(true) => now >= self.due_at(options),
            Some(false) => now >= self.committed_at + POSITIONS_INTERVALS * options.commit_interval_ms,
            None => false,
        }
    }
}

impl Worker {
    /// Commits all running tasks as one: changed rows to the changelogs, then the positions, then the transaction.
    pub(super) fn commit(&mut self, now: Timestamp) -> Result<(), TaskError> {
        self.committing.begin(now);
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        if self.application.options.guarantee == Guarantee::AtLeastOnce && self.tasks.iter().any(Task::uses_alarms) {
            // Without a transaction a crash may come between any two records. A row that is deleted as its result was pushed
            // must not be gone before the result is there.
            let mut running = self.tasks.iter_mut().filter(|task| task.is_running());
            let pushed = running.try_for_each(|task| task.before_commit(output, now).map(|_| ()));
            pushed
                .and_then(|()| Ok(output.producer.commit(&[])?))
                .map_err(|error| self.changelog_may_be_ahead(error))?;
        }
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let mut offsets = Vec::new();
        let mut running = self.tasks.iter_mut().filter(|task| task.is_running());
        let written = running
            .try_for_each(|task| task.prepare_commit(output, now, &mut offsets))
            .and_then(|()| Ok(output.producer.commit(&offsets)?));
        written.map_err(|error| self.changelog_may_be_ahead(error))?;
        if let Some(output) = &mut self.output {
            let (taken, left) = (output.taken, output.begin_anew());
            self.note_left(taken, left, now);
        }
        let running = self.tasks.iter_mut().filter(|task| task.is_running());
        if let Err(panic) = guarded_anywhere(|| running.for_each(|task| task.note_committed(now))) {
            // It is committed, but state in memory may be half way there.
            tracing::warn!(worker = self.index, error = %panic, "after a commit; tasks are opened anew");
            self.reset();
        }
        WorkerStatus::add(&self.status.commits, 1);
        self.retry.succeeded();
        self.purge(now);
        Ok(())
    }

    /// Without transactions, part of the changelog may be written when a commit fails: state in memory that goes back
    /// would not be what a restore brings. So the tasks are restored from it, as after a crash.
    fn changelog_may_be_ahead(&self, error: TaskError) -> TaskError {
        match error {
            TaskError::Broker(error)
                if self.options().guarantee == Guarantee::AtLeastOnce
                    && !matches!(error.kind, ErrorKind::Fatal | ErrorKind::Record | ErrorKind::EarlierRecord) =>
            {
                TaskError::Broker(BrokerError::new(ErrorKind::Fenced, error.message))
            }
            other => other,
        }
    }

    /// Takes back what was done since the last commit.
    pub(super) fn abort(&mut self, now: Timestamp) {
        self.committing.begin(now);
        let Some(output) = &mut self.output else {
            return;
        };
        self.status.aborts.fetch_add(1, Ordering::Relaxed);
        let mut running = self.tasks.iter_mut().filter(|task| task.is_running());
        output.begin_anew();
        let aborted = output.producer.abort().map_err(|error| error.to_string()).and_then(|()| {
            // State that a panic left such that it cannot go back is thrown away.
            match guarded_anywhere(|| running.try_for_each(Task::rollback)) {
                Ok(rolled_back) => rolled_back.map_err(|error| error.to_string()),
                Err(panic) => Err(panic.to_string()),
            }
        });
        if let Err(error) = aborted {
            tracing::warn!(worker = self.index, %error, "cannot go back; tasks are opened anew with another producer");
            self.reset();
        }
    }

    /// Deletes, now and then, what was consumed of repartition topics.
    fn purge(&mut self, now: Timestamp) {
        if now - self.committing.purged_at < self.options().repartition_purge_interval_ms {
            return;
        }
        self.committing.purged_at = now;
        let repartitions = &self.application.topology.repartitions;
        let is_repartition = |topic: &str| repartitions.iter().any(|repartition| *repartition.topic == *topic);
        let consumed: Vec<_> = self.tasks.iter().flat_map(|task| task.consumed(is_repartition)).collect();
        if !consumed.is_empty()
            && let Err(error) = self.broker.delete_records(&consumed)
        {
            tracing::warn!(worker = self.index, %error, "consumed repartition records are not deleted yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_commit_comes_soon_after_tasks_begin_and_the_next_ones_at_their_interval() {
        let options = Options { commit_interval_ms: 100, ..Options::new("app", "one") };
        let mut committing = Committing::default();
        committing.started(1_000);
        assert_eq!(committing.due_at(&options), 1_100);
        committing.began(1_010);
        // Others that begin later put it off no more.
        committing.began(1_025);
        assert_eq!(committing.due_at(&options), 1_010 + FIRST_MS);
        assert!(!committing.is_due(1_029, &options, Some(true)) && committing.is_due(1_030, &options, Some(true)));
        committing.begin(1_030);
        assert_eq!(committing.due_at(&options), 1_130);
        committing.began(1_125);
        assert_eq!(committing.due_at(&options), 1_130);
    }
}
