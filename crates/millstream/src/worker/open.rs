use super::Worker;
use super::close::returned;
use super::message::Report;
use crate::broker::{BrokerError, ErrorKind, TopicPartition};
use crate::record::Timestamp;
use crate::task::{OpenInput, StoreRestore, Task, TaskError, TaskId};
use crate::topology::TaskGraph;

/// A task to be opened.
pub(super) struct Opening {
    pub(super) task: TaskId,
    pub(super) inputs: Vec<OpenInput>,
}

/// A task that was given away, with its state as of its last commit, in case that it comes back.
pub(super) struct Parked {
    pub(super) task: TaskId,
    pub(super) graph: TaskGraph,
    /// For each store that has one, the end of its changelog when the task was given away.
    pub(super) ends: Vec<i64>,
    /// When it is dropped: long before the changelog could have forgotten a deletion.
    pub(super) until: Timestamp,
}

impl Worker {
    pub(super) fn open(&mut self, task: TaskId, inputs: Vec<OpenInput>) {
        if self.output.is_none() {
            let readers = inputs.into_iter().map(returned).collect();
            return self.report(Report::NotOpened { task, readers });
        }
        self.opening.push(Opening { task, inputs });
        self.publish_tasks();
    }

    /// Opens the tasks that wait for it: asks for the ends of their changelogs, all at once, and begins to restore.
    pub(super) fn finish_opening(&mut self, now: Timestamp) -> Result<(), TaskError> {
        if self.opening.is_empty() {
            return Ok(());
        }
        match self.open_all() {
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

    fn open_all(&mut self) -> Result<(), BrokerError> {
        let changelogs: Vec<_> = self.opening.iter().flat_map(|opening| self.changelogs(opening.task)).collect();
        let mut ends = match changelogs.is_empty() {
            true => Vec::new(),
            false => self.broker.end_offsets(&changelogs)?,
        };
        while let Some(opening) = self.opening.first() {
            let id = opening.task;
            let mut of_task: Vec<i64> = ends.drain(..self.changelogs(id).len()).collect();
            self.end_at_positions(id, &mut of_task, |topic| {
                let input = opening.inputs.iter().find(|input| *input.partition.topic == *topic);
                input.and_then(|input| input.committed.as_ref()).map_or(0, |committed| committed.offset)
            });
            let (graph, restoring) = self.begin_restore(id, of_task)?;
            let opening = self.opening.remove(0);
            let time = self.application.topology.sub_topologies[id.sub_topology].time.clone();
            let task = Task::new(id, graph, opening.inputs, restoring, time);
            let (_, offsets) = task.restore_progress();
            tracing::info!(task = %id, offsets_to_restore = offsets, "task opened");
            self.tasks.push(task);
        }
        self.publish_tasks();
        Ok(())
    }

    /// The task's graph, and what is missing in its stores up to the ends of its changelogs.
    fn begin_restore(&mut self, task: TaskId, ends: Vec<i64>) -> Result<(TaskGraph, Vec<StoreRestore>), BrokerError> {
        let changelogs = self.changelogs(task);
        let parked = self.parked.iter().position(|parked| parked.task == task);
        let parked = parked.map(|index| self.parked.swap_remove(index));
        // A changelog shorter than it was is another one, made anew.
        let parked = parked.filter(|parked| parked.ends.iter().zip(&ends).all(|(parked, end)| parked <= end));
        let (graph, positions) = match parked {
            Some(parked) => (parked.graph, parked.ends),
            None => {
                let application = &self.application;
                let id = &application.options.application_id;
                (
                    TaskGraph::build(id, &application.define, task.sub_topology, &self.globals.stores),
                    vec![0; ends.len()],
                )
            }
        };
        if !graph.calls.is_empty() && self.executor.is_none() {
            let nodes = self.application.topology.async_nodes.join(", ");
            let message = format!(
                "task {task}: there is nothing that asynchronous calls could run on (nodes {nodes}); give each worker \
                 an executor, with WorkerSeed::with_executor"
            );
            return Err(BrokerError::new(ErrorKind::Fatal, message));
        }
        let mut restoring = Vec::new();
        // A store in memory alone has neither changelog nor position.
        let stores = graph.stores.iter().enumerate().filter(|(_, store)| store.changelog.is_some());
        for (((store, _), partition), (position, end)) in stores.zip(changelogs).zip(positions.into_iter().zip(ends)) {
            if position < end {
                restoring.push(StoreRestore::new(store, partition, position, end));
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
