use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream::broker::{
    Assignment, BrokerError, ErrorKind, Fetched, Message, PartitionReader, Position, TopicPartition, Waker,
};

use crate::cluster::{Handed, SharedCluster, TopicIndex};

/// Reads one partition, `read_committed`.
pub(crate) struct MemoryReader {
    cluster: Arc<SharedCluster>,
    id: u64,
    name: TopicPartition,
    topic: TopicIndex,
    partition: i32,
    position: i64,
    /// The end that was told last; told again only once it has moved, or after a seek.
    told_end: Option<i64>,
    waker: Waker,
    /// Set once the partition was given up: nothing is read any more. A reader outside of the group has none, and fails
    /// where records that it was to read are gone; a member's goes on with the oldest there is.
    closed: Option<Arc<AtomicBool>>,
    batch: Vec<Handed>,
}

impl MemoryReader {
    pub(crate) fn open(
        cluster: Arc<SharedCluster>,
        assignment: Assignment,
        closed: Option<Arc<AtomicBool>>,
    ) -> Result<Self, BrokerError> {
        let Assignment { partition, from, waker } = assignment;
        let (id, topic) = cluster.with(|cluster| Ok((cluster.next_id(), cluster.topics.index(&partition.topic)?)))?;
        let (position, told_end, batch) = (0, None, Vec::new());
        let (name, partition) = (partition.clone(), partition.partition);
        let mut reader = MemoryReader { cluster, id, name, topic, partition, position, told_end, waker, closed, batch };
        reader.seek(from)?;
        Ok(reader)
    }
}

impl PartitionReader for MemoryReader {
    fn read(
        &mut self,
        records_max: usize,
        take: &mut dyn FnMut(Fetched<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        if self.closed.as_ref().is_some_and(|closed| closed.load(Ordering::Acquire)) {
            return Ok(0);
        }
        self.batch.clear();
        let (position, batch) = (self.position, &mut self.batch);
        let (read_to, at_end) = self.cluster.with(|cluster| {
            if cluster.is_away {
                return Ok((position, false));
            }
            let log = cluster.topics.topic(self.topic).log(self.partition)?;
            if position < log.start() && self.closed.is_none() {
                let message = format!(
                    "reading {}: offset {position} is gone, the oldest is {}; drop what was restored, and read from the \
                     beginning",
                    self.name,
                    log.start()
                );
                return Err(BrokerError::new(ErrorKind::Fenced, message));
            }
            let read_to = log.read(position, records_max, batch);
            let at_end = read_to >= log.stable_end();
            if at_end {
                log.wait(self.id, read_to, self.waker.clone());
            }
            Ok::<_, BrokerError>((read_to, at_end))
        })?;
        let mut handed = 0;
        for (offset, record) in &self.batch {
            handed += 1;
            self.position = offset + 1;
            let message = Message {
                offset: *offset,
                timestamp: record.timestamp,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: record.headers.clone(),
            };
            if take(Fetched::Record(message)).is_break() {
                return Ok(handed);
            }
        }
        self.position = read_to;
        if at_end && handed < records_max && self.told_end != Some(self.position) {
            self.told_end = Some(self.position);
            let _ = take(Fetched::End(self.position));
        }
        Ok(handed)
    }

    fn seek(&mut self, to: Position) -> Result<(), BrokerError> {
        self.told_end = None;
        self.position = self.cluster.with(|cluster| {
            let log = cluster.topics.topic(self.topic).log(self.partition)?;
            log.forget(self.id);
            Ok::<i64, BrokerError>(match to {
                Position::Offset(offset) => offset,
                Position::Beginning => log.start(),
                Position::End => log.stable_end(),
            })
        })?;
        // What there is to read from here on is news to a reader that waits.
        (self.waker)();
        Ok(())
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.cluster.with(|cluster| {
            if let Ok(log) = cluster.topics.topic(self.topic).log(self.partition) {
                log.forget(self.id);
            }
        });
    }
}
