use std::time::Duration;

use super::instance::{Closing, Instance, Owned, worker_of};
use super::message::Command;
use super::{Moment, OffsetReset, moment};
use crate::broker::{Assignment, BrokerError, Committed, ErrorKind, GroupEvent, GroupMember, Position, TopicPartition};
use crate::task::{OpenInput, TaskId};

/// How long the group is polled while workers are waited for.
const CLOSING_POLL: Duration = Duration::from_millis(2);

impl Instance {
    /// One turn of the group's life: a change of the assignment, or what follows from one.
    pub(super) fn rebalance(&mut self, timeout: Duration) -> Result<(), BrokerError> {
        self.finish_closing()?;
        let is_paused = self.pause.is_pending();
        if !is_paused {
            self.finish_assigned()?;
            if self.closing.is_none() && self.assigned.is_none() {
                self.replace_producers()?;
                self.open_tasks()?;
            }
        }
        let waiting = self.closing.is_some() || self.assigned.is_some() || !self.resets.is_empty();
        let timeout = match waiting {
            // Nothing is tried again before the pause is over. Workers that close are looked after meanwhile.
            _ if self.pause.is_pending() => {
                self.pause.pass(if self.closing.is_some() { CLOSING_POLL } else { timeout })
            }
            true => CLOSING_POLL,
            false => timeout,
        };
        match self.member()?.poll(timeout)? {
            Some(GroupEvent::Assigned(partitions)) => {
                tracing::info!(partitions = %list(&partitions), "assigned");
                self.instances.note_assigned();
                self.assigned = Some(partitions);
                // Before the group is asked for positions: it would wait for what the one before has left open.
                self.take_over();
            }
            Some(GroupEvent::Revoked(partitions)) => self.close(partitions, false),
            Some(GroupEvent::Lost(partitions)) => self.close(partitions, true),
            None => {}
        }
        if self.pause.is_pending() { Ok(()) } else { self.finish_assigned() }
    }

    /// Has the workers let go of the tasks that read these partitions.
    fn close(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        tracing::info!(partitions = %list(&partitions), lost, "revoked");
        // What was assigned, and not answered for yet, is not to be read any more.
        if let Some(assigned) = &mut self.assigned {
            assigned.retain(|partition| !partitions.contains(partition));
        }
        self.assigned.take_if(|assigned| assigned.is_empty());
        // Workers may still be letting go of what was revoked before.
        let before = self.closing.take();
        let closing: Vec<TaskId> = (self.open.iter().copied())
            .filter(|task| self.inputs_of(*task).iter().any(|input| partitions.contains(input)))
            .collect();
        let (mut revoked, mut waiting) =
            before.map_or_else(Default::default, |before| (before.partitions, before.waiting));
        revoked.extend(partitions);
        revoked.sort();
        revoked.dedup();
        for (index, worker) in self.workers.iter().enumerate() {
            let of_worker = closing.iter().filter(|task| worker_of(**task, self.workers.len()) == index);
            let tasks: Vec<TaskId> = of_worker.copied().collect();
            if !tasks.is_empty() {
                worker.tell(Command::Close { tasks, lost });
                waiting.insert(index);
            } else if lost && waiting.contains(&index) {
                worker.tell(Command::Close { tasks, lost });
            }
        }
        self.open.retain(|task| !closing.contains(task));
        self.closing = Some(Closing { partitions: revoked, waiting });
    }

    fn finish_closing(&mut self) -> Result<(), BrokerError> {
        let Some(closing) = self.closing.take_if(|closing| closing.waiting.is_empty()) else {
            return Ok(());
        };
        // The readers go first: a partition that is given up must not be read any more.
        self.owned.retain(|partition, _| !closing.partitions.contains(partition));
        self.member()?.unassign(&closing.partitions)
    }

    /// Answers an assignment: each partition is read from the group's position.
    fn finish_assigned(&mut self) -> Result<(), BrokerError> {
        let Some(partitions) = self.assigned.take() else {
            return Ok(());
        };
        let committed = match self.member()?.committed(&partitions) {
            Err(error) if error.kind == ErrorKind::Retry => {
                let pause = self.pause.failed();
                tracing::warn!(%error, "the group's positions are not known yet; asking again in {pause:?}");
                self.assigned = Some(partitions);
                return Ok(());
            }
            committed => committed?,
        };
        let mut starts = Vec::new();
        for (partition, committed) in partitions.iter().zip(committed) {
            starts.push((self.start_of(partition, committed.as_ref())?, committed));
        }
        let assignments = partitions.iter().zip(&starts).map(|(partition, (from, _))| Assignment {
            partition: partition.clone(),
            from: *from,
            waker: self.waker_of(partition),
        });
        let assignments = assignments.collect();
        let readers = match self.member()?.assign(assignments) {
            Err(error) if error.kind == ErrorKind::Retry => {
                let pause = self.pause.failed();
                tracing::warn!(%error, "the partitions are not read yet; trying again in {pause:?}");
                self.assigned = Some(partitions);
                return Ok(());
            }
            readers => readers?,
        };
        self.pause.succeeded();
        for ((partition, reader), start) in partitions.into_iter().zip(readers).zip(starts) {
            self.owned.insert(partition, Owned { reader: Some(reader), start: Some(start) });
        }
        Ok(())
    }

    fn start_of(&self, partition: &TopicPartition, committed: Option<&Committed>) -> Result<Position, BrokerError> {
        if let (None, Some(from), false) = (committed, self.application.options.from, self.is_repartition(partition)) {
            if from == Moment::Beginning {
                return Ok(Position::Beginning);
            }
            let offsets = moment::offsets(&*self.broker, std::slice::from_ref(partition), from)?;
            return Ok(Position::Offset(offsets[0]));
        }
        match (committed, self.application.options.offset_reset) {
            (Some(committed), _) => Ok(Position::Offset(committed.offset)),
            (None, OffsetReset::Earliest) => Ok(Position::Beginning),
            // What this topology wrote to a repartition topic is read from its beginning, whatever users want of sources.
            (None, _) if self.is_repartition(partition) => Ok(Position::Beginning),
            (None, OffsetReset::Latest) => Ok(Position::End),
            (None, OffsetReset::Error) => Err(BrokerError::new(
                ErrorKind::Fatal,
                format!(
                    "the group has no position in {partition}, and offset_reset is `error`; set the group's position \
                     (kafka-consumer-groups --reset-offsets), or choose `earliest` or `latest`"
                ),
            )),
        }
    }

    fn is_repartition(&self, partition: &TopicPartition) -> bool {
        self.application.topology.repartitions.iter().any(|repartition| repartition.topic == partition.topic)
    }

    /// Gives workers without a producer a new one.
    fn replace_producers(&mut self) -> Result<(), BrokerError> {
        while let Some(index) = self.resets.first().copied() {
            let id = self.transactional_id(index);
            let topics = self.application.topology.topics.clone();
            match self.member()?.producer(id.as_deref(), &topics) {
                Ok(producer) => self.workers[index].tell(Command::Start(producer)),
                Err(error) if error.kind == ErrorKind::Retry => {
                    let pause = self.pause.failed();
                    tracing::warn!(worker = index, %error, "no producer yet; trying again in {pause:?}");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            self.pause.succeeded();
            self.resets.remove(&index);
        }
        Ok(())
    }

    /// Opens each task all of whose inputs are here.
    fn open_tasks(&mut self) -> Result<(), BrokerError> {
        let mut tasks: Vec<TaskId> = self.owned.keys().filter_map(|partition| self.task_of(partition)).collect();
        tasks.sort_unstable();
        tasks.dedup();
        let is_here = |input: &TopicPartition| self.owned.get(input).is_some_and(|owned| owned.reader.is_some());
        tasks.retain(|task| {
            !self.open.contains(task)
                && !self.resets.contains(&worker_of(*task, self.workers.len()))
                && self.inputs_of(*task).iter().all(is_here)
        });
        let inputs: Vec<TopicPartition> = tasks.iter().flat_map(|task| self.inputs_of(*task)).collect();
        let moved = |input: &&TopicPartition| self.owned.get(*input).is_some_and(|owned| owned.start.is_none());
        let moved: Vec<TopicPartition> = inputs.iter().filter(moved).cloned().collect();
        if !self.put_back(moved)? {
            return Ok(());
        }
        for task in tasks {
            let mut inputs = Vec::new();
            for partition in self.inputs_of(task) {
                let is_repartition = self.is_repartition(&partition);
                let stop = self.stops.get(&partition).copied();
                if let Some(owned) = self.owned.get_mut(&partition)
                    && let (Some(reader), Some((start, committed))) = (owned.reader.take(), owned.start.take())
                {
                    inputs.push(OpenInput { partition, reader, start, committed, is_repartition, stop });
                }
            }
            self.open.insert(task);
            self.workers[worker_of(task, self.workers.len())].tell(Command::Open { task, inputs });
        }
        Ok(())
    }

    /// Puts readers that a worker has had back to the group's positions; `false` if those are not known yet.
    fn put_back(&mut self, moved: Vec<TopicPartition>) -> Result<bool, BrokerError> {
        if moved.is_empty() {
            return Ok(true);
        }
        let committed = match self.member()?.committed(&moved) {
            Err(error) if error.kind == ErrorKind::Retry => {
                let pause = self.pause.failed();
                tracing::warn!(%error, "the group's positions are not known yet; asking again in {pause:?}");
                return Ok(false);
            }
            committed => committed?,
        };
        for (partition, committed) in moved.into_iter().zip(committed) {
            let start = self.start_of(&partition, committed.as_ref())?;
            if let Some(owned) = self.owned.get_mut(&partition)
                && let Some(reader) = &mut owned.reader
            {
                reader.seek(start)?;
                owned.start = Some((start, committed));
            }
        }
        Ok(true)
    }

    pub(super) fn member(&mut self) -> Result<&mut Box<dyn GroupMember>, BrokerError> {
        self.member.as_mut().ok_or_else(|| BrokerError::new(ErrorKind::Fatal, "the instance has left the group"))
    }

    fn waker_of(&self, partition: &TopicPartition) -> crate::broker::Waker {
        let worker = self.task_of(partition).map_or(0, |task| worker_of(task, self.workers.len()));
        self.workers[worker].waker.clone()
    }

    pub(super) fn task_of(&self, partition: &TopicPartition) -> Option<TaskId> {
        let subs = &self.application.topology.sub_topologies;
        let sub_topology = subs.iter().position(|sub| sub.sources.contains(&partition.topic))?;
        Some(TaskId { sub_topology, partition: partition.partition })
    }

    fn inputs_of(&self, task: TaskId) -> Vec<TopicPartition> {
        let sources = &self.application.topology.sub_topologies[task.sub_topology].sources;
        sources.iter().map(|topic| TopicPartition::new(topic.clone(), task.partition)).collect()
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
