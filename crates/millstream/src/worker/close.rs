use super::Worker;
use super::copies::{Copies, WarmCopy};
use super::message::Report;
use crate::broker::{Broker, BrokerError, ReaderOf, TopicPartition};
use crate::record::Timestamp;
use crate::task::{OpenInput, Task, TaskId};
use crate::topology::TaskGraph;

impl Worker {
    /// Commits and lets go of tasks. Their state is parked if it is known to be what the changelogs say.
    pub(super) fn close(&mut self, tasks: &[TaskId], lost: bool, now: Timestamp) {
        let committed = if lost {
            self.abort(now);
            false
        } else {
            self.try_commit(now)
        };
        // Before the commit that shows whether the tasks are still this member's: what is in the changelogs by then is here.
        let running = self.tasks.iter().filter(|task| tasks.contains(&task.id) && task.is_running());
        let to_park: Vec<TaskId> = if committed { running.map(|task| task.id).collect() } else { Vec::new() };
        // With the markers: what is parked without them would have to read them when it comes back.
        let ends = self.ends_of_changelogs(&to_park, |broker, changelogs| broker.settled_end_offsets(changelogs));
        let to_park = if committed && self.owns(tasks, now) { to_park } else { Vec::new() };
        let mut ends = ends.into_iter();
        let (opening, kept) =
            std::mem::take(&mut self.opening).into_iter().partition(|opening| tasks.contains(&opening.task));
        self.opening = kept;
        let opening: Vec<super::open::Opening> = opening;
        let mut readers: Vec<ReaderOf> = opening.into_iter().flat_map(|opening| opening.inputs).map(returned).collect();

        let (closing, kept): (Vec<Task>, Vec<Task>) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task| tasks.contains(&task.id));
        self.tasks = kept;
        // A running task's state is parked; one that is still restored begins anew, as does one that was lost.
        for task in closing {
            let id = task.id;
            let ends = to_park.contains(&id).then(|| ends.next()).flatten().map(|mut ends: Vec<i64>| {
                self.end_at_positions(id, &mut ends, |topic| task.committed(topic));
                ends
            });
            let (graph, inputs) = task.into_parts();
            readers.extend(inputs);
            if let Some(ends) = ends {
                let until = now + self.options().parked_ms;
                self.copies.all.push(WarmCopy::parked(id, graph, self.changelogs(id), ends, until));
            }
        }
        self.publish_tasks();
        self.report(Report::Closed { worker: self.index, readers });
    }

    /// Whether these tasks are still this member's, which a commit that had nothing to commit does not say: the changelogs of
    /// others would have gone on, and what is here would be parked with their ends.
    pub(super) fn owns(&mut self, tasks: &[TaskId], now: Timestamp) -> bool {
        let of = |task: &&Task| task.is_running() && tasks.contains(&task.id);
        let positions: Vec<_> = self.tasks.iter().filter(of).filter_map(Task::position).collect();
        let Some(output) = self.output.as_mut().filter(|_| !positions.is_empty()) else {
            return false;
        };
        match output.producer.commit(&positions) {
            Ok(()) => true,
            Err(error) => {
                self.recover(error.into(), now);
                false
            }
        }
    }

    /// For each task the ends of its changelogs; nothing when the broker does not say.
    pub(super) fn ends_of_changelogs(
        &self,
        tasks: &[TaskId],
        ask: impl Fn(&dyn Broker, &[TopicPartition]) -> Result<Vec<i64>, BrokerError>,
    ) -> Vec<Vec<i64>> {
        let changelogs: Vec<TopicPartition> = tasks.iter().flat_map(|task| self.changelogs(*task)).collect();
        if changelogs.is_empty() {
            return tasks.iter().map(|_| Vec::new()).collect();
        }
        match ask(&*self.broker, &changelogs) {
            Ok(mut ends) => tasks.iter().map(|task| ends.drain(..self.changelogs(*task).len()).collect()).collect(),
            Err(error) => {
                tracing::warn!(worker = self.index, %error, "the ends of changelogs are not known; state is neither kept nor handed out");
                Vec::new()
            }
        }
    }

    /// Commits what there is; deals with the error if it fails. Returns whether it went through.
    fn try_commit(&mut self, now: Timestamp) -> bool {
        match self.commit(now) {
            Ok(()) => true,
            Err(error) => {
                self.recover(error, now);
                false
            }
        }
    }

    /// Commits, lets go of everything, and ends.
    pub(super) fn stop(&mut self, now: Timestamp) {
        self.try_commit(now);
        // The instance leaves the group once there are no readers; to free the memory of large state takes longer than that.
        let tasks = std::mem::take(&mut self.tasks);
        let graphs: Vec<TaskGraph> = tasks.into_iter().map(|task| task.into_parts().0).collect();
        let copies = std::mem::take(&mut self.copies).into_graphs();
        self.drop_everything();
        self.ended = true;
        self.report(Report::Stopped { worker: self.index });
        drop((graphs, copies));
    }

    /// Gives up, for a reason that only a person can help with.
    pub(super) fn fail(&mut self, error: String) {
        if let Some(output) = &mut self.output
            && let Err(error) = output.producer.abort()
        {
            tracing::warn!(worker = self.index, %error, "the transaction could not be aborted; its timeout ends it");
        }
        self.drop_everything();
        self.ended = true;
        self.report(Report::Failed { error });
        self.report(Report::Stopped { worker: self.index });
    }

    /// Lets go of the producer and of all tasks, and asks for a new beginning. Copies stay: they hold what is committed.
    pub(super) fn reset(&mut self) {
        let opening = self.opening.drain(..).flat_map(|opening| opening.inputs).map(returned);
        self.failing.carry(self.tasks.iter_mut().flat_map(Task::take_failures));
        let readers = opening.chain(self.tasks.drain(..).flat_map(|task| task.into_parts().1)).collect();
        self.drop_tasks();
        self.report(Report::Reset { worker: self.index, readers });
    }

    fn drop_everything(&mut self) {
        self.copies = Copies::default();
        self.drop_tasks();
    }

    fn drop_tasks(&mut self) {
        self.tasks.clear();
        self.opening.clear();
        self.output = None;
        self.publish_tasks();
    }

    pub(super) fn report(&self, report: Report) {
        // An instance that is gone needs no report: the worker is about to end with it.
        let _ = self.reports.send(report);
    }
}

/// A worker whose thread ends in any other way than by its own decision panicked: its instance is told.
impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            let error = format!("worker {} panicked; its message is in the log above", self.index);
            self.drop_everything();
            self.report(Report::Failed { error });
            self.report(Report::Stopped { worker: self.index });
        }
    }
}

pub(super) fn returned(input: OpenInput) -> ReaderOf {
    (input.partition, input.reader)
}
