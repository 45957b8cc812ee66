use super::Worker;
use crate::record::Timestamp;
use crate::task::{Task, TaskError, TaskId};

/// Tasks to let go of, or all, once no call is under way.
pub(super) struct Leaving {
    tasks: Vec<TaskId>,
    /// Whether the worker is to end.
    stop: bool,
    /// When calls are not waited for any longer.
    until: Timestamp,
}

/// How long, in ms, asynchronous calls are waited for when tasks are given away or the worker ends.
const CALLS_LIMIT_MS: i64 = 30_000;

impl Worker {
    /// Whether some task has nodes that call.
    pub(super) fn calls(&self) -> bool {
        self.tasks.iter().any(Task::calls)
    }

    /// Whether tasks with asynchronous calls are to read nothing more, as a commit waits for what is under way.
    pub(super) fn is_draining(&self, now: Timestamp) -> bool {
        // Once it has begun it goes on, also when the machine's clock is set back.
        self.leaving.is_some() || self.committing.is_draining() || self.is_commit_due(now)
    }

    pub(super) fn is_commit_due(&self, now: Timestamp) -> bool {
        self.committing.is_due(now, self.options(), self.uncommitted())
    }

    /// Whether nothing is under way that a commit must wait for.
    pub(super) fn is_drained(&mut self, now: Timestamp) -> Result<bool, TaskError> {
        let Some(output) = &mut self.output else {
            return Ok(true);
        };
        let mut is_drained = true;
        for task in self.tasks.iter_mut().filter(|task| task.is_running() && task.calls()) {
            task.before_commit(output, now)?;
            is_drained &= !task.has_pending_calls();
        }
        Ok(is_drained)
    }

    /// Lets go of these tasks as soon as all calls are done; `stop`: of everything, and ends.
    pub(super) fn leave(&mut self, tasks: Vec<TaskId>, stop: bool, now: Timestamp) {
        let until = now + CALLS_LIMIT_MS;
        let leaving = self.leaving.get_or_insert_with(|| Leaving { tasks: Vec::new(), stop: false, until });
        leaving.tasks.extend(tasks);
        leaving.stop |= stop;
        self.finish_leaving(now);
    }

    /// Lets go at once, without a commit: other members may have the tasks already. Those that wait to be let go of go too.
    pub(super) fn leave_lost(&mut self, mut tasks: Vec<TaskId>, now: Timestamp) {
        let waiting = self.leaving.take();
        tasks.extend(waiting.into_iter().flat_map(|leaving| leaving.tasks));
        // What was answered for meanwhile is not answered for twice.
        if !tasks.is_empty() {
            self.close(&tasks, true, now);
        }
    }

    pub(super) fn finish_leaving(&mut self, now: Timestamp) {
        let Some(until) = self.leaving.as_ref().map(|leaving| leaving.until) else {
            return;
        };
        match self.is_drained(now) {
            Ok(true) => {}
            Ok(false) if now < until => return,
            Ok(false) => {
                tracing::warn!(worker = self.index, "calls take too long; their records will be processed again");
                self.abort(now);
            }
            Err(error) => self.recover(error, now),
        }
        if let Some(leaving) = self.leaving.take().filter(|_| !self.ended) {
            match leaving.stop {
                true => self.stop(now),
                false => self.close(&leaving.tasks, false, now),
            }
        }
    }
}
