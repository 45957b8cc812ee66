use std::sync::Arc;

use super::close::returned;
use super::copies::WarmCopy;
use super::message::Report;
use super::{Options, Worker, WorkerStatus};
use crate::broker::{BrokerError, ErrorKind, TopicPartition};
use crate::record::Timestamp;
use crate::task::{ErrorHandling, OpenInput, StoreRestore, Task, TaskError, TaskId};
use crate::topology::TaskGraph;

/// A task to be opened.
pub(super) struct Opening {
    pub(super) task: TaskId,
    pub(super) inputs: Vec<OpenInput>,
    /// Whether its state was asked of another instance, if there is one that has it.
    is_asked: bool,
}

impl Worker {
    pub(super) fn open(&mut self, task: TaskId, inputs: Vec<OpenInput>) {
        if self.output.is_none() {
            let readers = inputs.into_iter().map(returned).collect();
            return self.report(Report::NotOpened { task, readers });
        }
        self.opening.push(Opening { task, inputs, is_asked: false });
        self.publish_tasks();
    }

    /// Opens the tasks that wait for it: asks for the ends of their changelogs, all at once, and begins to restore.
    pub(super) fn finish_opening(&mut self, now: Timestamp) -> Result<(), TaskError> {
        if self.opening.is_empty() {
            return Ok(());
        }
        match self.open_all(now) {
            Err(error) if error.kind == ErrorKind::Retry => {
                let ms = self.retry.failed(now);
                tracing::warn!(worker = self.index, %error, "tasks cannot be opened yet; trying again in {ms} ms");
                self.resume_at = now + ms;
                Ok(())
            }
            opened => {
                self.retry.succeeded();
                Ok(opened?)
            }
        }
    }

    fn open_all(&mut self, now: Timestamp) -> Result<(), BrokerError> {
        let new = self.opening.iter_mut().filter(|opening| !opening.is_asked);
        let new: Vec<TaskId> = new
            .map(|opening| {
                opening.is_asked = true;
                opening.task
            })
            .collect();
        for task in new {
            self.fill_for_opening(task, now);
        }
        let ready = self.opening.iter().map(|opening| opening.task).filter(|task| !self.copies.is_filling(*task));
        let ready: Vec<TaskId> = ready.collect();
        if ready.is_empty() {
            return Ok(());
        }
        let changelogs: Vec<_> = ready.iter().flat_map(|task| self.changelogs(*task)).collect();
        let mut ends = match changelogs.is_empty() {
            true => Vec::new(),
            false => self.broker.end_offsets(&changelogs)?,
        };
        for id in ready {
            let Some(place) = self.opening.iter().position(|opening| opening.task == id) else {
                continue;
            };
            let opening = &self.opening[place];
            let mut of_task: Vec<i64> = ends.drain(..self.changelogs(id).len()).collect();
            self.end_at_positions(id, &mut of_task, |topic| {
                let input = opening.inputs.iter().find(|input| *input.partition.topic == *topic);
                input.and_then(|input| input.committed.as_ref()).map_or(0, |committed| committed.offset)
            });
            let (graph, restoring) = self.begin_restore(id, of_task)?;
            let opening = self.opening.remove(place);
            let time = self.application.topology.sub_topologies[id.sub_topology].time.clone();
            let here = (self.status.place.clone(), self.error_handling());
            let mut task = Task::new(id, graph, opening.inputs, restoring, time, here);
            task.put_failures(|partition| self.failing.carried(partition));
            let (_, offsets) = task.restore_progress();
            tracing::info!(task = %id, offsets_to_restore = offsets, "task opened");
            WorkerStatus::add(&self.status.opened, 1);
            if task.is_running() {
                self.committing.began(now);
            }
            self.tasks.push(task);
        }
        self.publish_tasks();
        Ok(())
    }

    fn error_handling(&self) -> ErrorHandling {
        let Options { errors, application_id, .. } = self.options();
        let dead_letter_topic = errors.dead_letter_topic_of(application_id).into();
        ErrorHandling { policies: Arc::new(errors.clone()), dead_letter_topic }
    }

    /// The task's graph, and what is missing in its stores up to the ends of its changelogs.
    fn begin_restore(&mut self, task: TaskId, ends: Vec<i64>) -> Result<(TaskGraph, Vec<StoreRestore>), BrokerError> {
        let copy = self.take_copy(task).filter(|copy| copy.fits(&ends));
        let copy = copy.unwrap_or_else(|| self.begin_copy(task));
        if !copy.graph.calls.is_empty() && self.executor.is_none() {
            let nodes = self.application.topology.async_nodes.join(", ");
            let message = format!(
                "task {task}: there is nothing that asynchronous calls could run on (nodes {nodes}); give each worker \
                 an executor, with WorkerSeed::with_executor"
            );
            return Err(BrokerError::new(ErrorKind::Fatal, message));
        }
        let WarmCopy { graph, followed, .. } = copy;
        let mut restoring = Vec::new();
        for (followed, end) in followed.into_iter().zip(ends) {
            let (store, position) = (followed.store, followed.position);
            if position < end {
                let partition = followed.partition.clone();
                restoring.push(StoreRestore::new(store, partition, position, end, followed.into_reader()?));
            }
        }
        Ok((graph, restoring))
    }

    /// Sets the ends of those changelogs that are source topics to where the task stands in them, which `position` says: what
    /// comes after is input, and not state.
    pub(super) fn end_at_positions(&self, task: TaskId, ends: &mut [i64], position: impl Fn(&str) -> i64) {
        let stores = &self.application.topology.sub_topologies[task.sub_topology].stores;
        let changelogs = stores.iter().filter_map(|store| Some((store.changelog.as_ref()?, store.from_source)));
        for (end, (changelog, _)) in ends.iter_mut().zip(changelogs).filter(|(_, (_, from_source))| *from_source) {
            *end = position(changelog);
        }
    }

    /// The task's partitions of the changelogs of its stores, in the order of the stores that have one.
    pub(super) fn changelogs(&self, task: TaskId) -> Vec<TopicPartition> {
        let stores = &self.application.topology.sub_topologies[task.sub_topology].stores;
        let changelogs = stores.iter().filter_map(|store| store.changelog.clone());
        changelogs.map(|changelog| TopicPartition::new(changelog, task.partition)).collect()
    }
}
