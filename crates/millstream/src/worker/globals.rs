use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use super::Worker;
use super::step::RETRY_MS;
use crate::broker::{
    Assignment, Broker, BrokerError, ErrorKind, Fetched, PartitionReader, Position, TopicPartition, Waker,
};
use crate::processor::{ErrorPolicy, guarded_anywhere};
use crate::record::Timestamp;
use crate::state::{GlobalStore, GlobalStores, LoadGlobal};
use crate::task::{Task, TaskError};

/// The global tables of a worker: one copy for all its tasks, which it alone writes, so that nothing is locked.
///
/// What they hold belongs to no transaction: an abort leaves them as they are, and parked tasks keep them.
#[derive(Default)]
pub(super) struct Globals {
    pub(super) stores: GlobalStores,
    /// Those that a task has asked for.
    loading: Vec<Loading>,
}

/// A global table that is read.
struct Loading {
    name: Arc<str>,
    topic: Arc<str>,
    rows: Rc<dyn LoadGlobal>,
    /// None until they could be opened.
    partitions: Vec<Partition>,
}

struct Partition {
    partition: TopicPartition,
    reader: Box<dyn PartitionReader>,
    position: i64,
    /// The partition's end when reading began, committed or not: the table is complete once all are reached.
    end: i64,
}

/// How many records one partition hands over before the next one has its turn.
const BATCH_RECORDS: usize = 4096;

impl Loading {
    fn is_complete(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.iter().all(|partition| partition.position >= partition.end)
    }

    /// Takes what is here of each partition; returns how many records, and how many were left out, as they could not be read.
    fn read(&mut self, leaves_out: bool) -> Result<(u64, u64), BrokerError> {
        let (mut records, mut unread) = (0, 0);
        for Partition { partition, reader, position, .. } in &mut self.partitions {
            let mut failure = None;
            reader.read(BATCH_RECORDS, &mut |fetched| {
                match fetched {
                    Fetched::End(offset) => *position = offset.max(*position),
                    Fetched::Record(record) => {
                        let error = match guarded_anywhere(|| self.rows.load(&record)) {
                            Ok(Ok(())) => None,
                            Ok(Err(error)) => Some((error.to_string(), error.is_transient())),
                            Err(panic) => Some((panic.to_string(), false)),
                        };
                        match error {
                            None => {}
                            Some((_, false)) if leaves_out => unread += 1,
                            Some(error) => {
                                failure = Some((record.offset, error));
                                return ControlFlow::Break(());
                            }
                        }
                        *position = record.offset + 1;
                        records += 1;
                    }
                }
                ControlFlow::Continue(())
            })?;
            if let Some((offset, (error, is_transient))) = failure {
                let message =
                    format!("global table {} cannot be read: {partition}, offset {offset}: {error}", self.name);
                if is_transient {
                    reader.seek(Position::Offset(*position))?;
                }
                let kind = if is_transient { ErrorKind::Retry } else { ErrorKind::Fatal };
                return Err(BrokerError::new(kind, message));
            }
        }
        Ok((records, unread))
    }
}

fn open_partitions(topic: &Arc<str>, broker: &dyn Broker, waker: &Waker) -> Result<Vec<Partition>, BrokerError> {
    let Some(described) = broker.describe(&[topic])?.remove(0) else {
        return Err(BrokerError::new(ErrorKind::Fatal, format!("topic {topic} of a global table does not exist")));
    };
    let partitions: Vec<_> =
        (0..described.partitions).map(|number| TopicPartition::new(topic.clone(), number)).collect();
    let ends = broker.end_offsets(&partitions)?;
    let opened = partitions.into_iter().zip(ends).map(|(partition, end)| {
        let assignment = Assignment { partition: partition.clone(), from: Position::Beginning, waker: waker.clone() };
        Ok(Partition { partition, reader: broker.reader(assignment)?, position: 0, end })
    });
    opened.collect()
}

impl Worker {
    /// Begins to read the global tables that tasks here use and nobody here reads yet.
    pub(super) fn open_globals(&mut self, now: Timestamp) -> Result<(), TaskError> {
        let Globals { stores, loading } = &mut self.globals;
        let subs = &self.application.topology.sub_topologies;
        for name in self.tasks.iter().flat_map(|task| &subs[task.id.sub_topology].globals) {
            if !loading.iter().any(|loading| loading.name == *name)
                && let Some(GlobalStore { topic, load, .. }) = stores.get(name)
            {
                loading.push(Loading { name: name.clone(), topic, rows: load, partitions: Vec::new() });
            }
        }
        for loading in loading.iter_mut().filter(|loading| loading.partitions.is_empty()) {
            match open_partitions(&loading.topic, &*self.broker, &self.waker) {
                Ok(partitions) => loading.partitions = partitions,
                Err(error) if error.kind == ErrorKind::Retry => {
                    tracing::warn!(worker = self.index, table = %loading.name, %error, "not read yet; trying again");
                    self.resume_at = now + RETRY_MS;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes what is new in global tables; returns whether there was something.
    pub(super) fn read_globals(&mut self) -> Result<bool, TaskError> {
        let mut busy = false;
        // There are no dead letters of it: each worker of each instance reads the whole table.
        let leaves_out = self.application.options.errors.read != ErrorPolicy::Fail;
        for loading in &mut self.globals.loading {
            let was_complete = loading.is_complete();
            match loading.read(leaves_out) {
                Ok((records, unread)) => {
                    busy |= records > 0;
                    if unread > 0 {
                        Worker::count_unread(&self.status, &loading.name, unread);
                    }
                }
                // What was to be read next is gone from the topic: the table is read anew, and tasks wait for it.
                Err(error) if error.kind == ErrorKind::Fenced => {
                    tracing::warn!(worker = self.index, table = %loading.name, %error, "reading it from its beginning");
                    loading.rows.clear();
                    loading.partitions.clear();
                    busy = true;
                }
                Err(error) => return Err(error.into()),
            }
            if loading.is_complete() && !was_complete {
                tracing::info!(worker = self.index, table = %loading.name, "global table is complete");
                busy = true;
            }
        }
        if busy {
            self.publish_tasks();
        }
        Ok(busy)
    }
}

impl Globals {
    /// Whether each global table of this task was read to where it ended when reading began.
    pub(super) fn are_complete(&self, used: &[Arc<str>]) -> bool {
        used.iter().all(|name| self.loading.iter().any(|loading| loading.name == *name && loading.is_complete()))
    }

    /// Whether a task can process records.
    pub(super) fn let_run(&self, task: &Task, used: &[Arc<str>]) -> bool {
        task.is_running() && self.are_complete(used)
    }
}
