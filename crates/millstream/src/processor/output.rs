use std::sync::Arc;

use crate::broker::{BrokerError, Outgoing, Producer, TopicId};
use crate::executor::Calling;
use crate::partitioner::partition_of;
use crate::processor::{ErrorPolicy, ProcessError, RecordErrorKind};
use crate::record::{Headers, Record, Timestamp};
use crate::serde::{Serde, SerdeError, encode};

/// A worker's ways out: its producer, with the buffers that records are encoded into, and its executor.
pub(crate) struct Output {
    pub(crate) producer: Box<dyn Producer>,
    /// What asynchronous operators call with.
    pub(crate) calling: Option<Calling>,
    key: Vec<u8>,
    value: Vec<u8>,
    /// How many records were sent, changelogs included.
    pub(crate) sent: u64,
    /// How many records came too late, by the number of their node.
    late: Vec<u64>,
    /// How many records were taken since the last commit.
    pub(crate) taken: u64,
    /// Whether a commit is to come as soon as it can.
    pub(crate) commit_soon: bool,
    /// The records that were left out since the last commit.
    left: Vec<Left>,
}

/// A record that failed and was left out.
pub(crate) struct Left {
    pub(crate) node: Option<Arc<str>>,
    pub(crate) kind: RecordErrorKind,
    /// Skip or dead letter.
    pub(crate) policy: ErrorPolicy,
    pub(crate) error: String,
}

impl Output {
    pub(crate) fn new(producer: Box<dyn Producer>, calling: Option<Calling>) -> Self {
        Output {
            producer,
            calling,
            key: Vec::new(),
            value: Vec::new(),
            sent: 0,
            late: Vec::new(),
            taken: 0,
            commit_soon: false,
            left: Vec::new(),
        }
    }

    /// Counts a record that came too late for the node of this number.
    pub(crate) fn count_late(&mut self, node: usize) {
        if self.late.len() <= node {
            self.late.resize(node + 1, 0);
        }
        self.late[node] += 1;
    }

    /// How many records came too late since the last call, for each node that had some.
    pub(crate) fn take_late(&mut self) -> Vec<(usize, u64)> {
        let counted = self.late.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        self.late.clear();
        counted
    }

    pub(crate) fn note_left(&mut self, left: Left) {
        self.left.push(left);
    }

    /// What was done since the last commit is committed, or taken back; gives the records that were left out.
    pub(crate) fn begin_anew(&mut self) -> Vec<Left> {
        self.taken = 0;
        self.commit_soon = false;
        std::mem::take(&mut self.left)
    }

    /// Sends a record that is encoded already.
    pub(crate) fn send_bytes(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        self.sent += 1;
        self.producer.send(record)
    }

    /// Encodes a record (`None` as null) and sends it to the partition that `choose` says, given the key's bytes and the
    /// count of partitions.
    pub(crate) fn send<K: 'static, V: 'static>(
        &mut self,
        topic: TopicId,
        key_serde: &dyn Serde<K>,
        value_serde: &dyn Serde<V>,
        record: &Record<K, Option<V>>,
        choose: impl FnOnce(Option<&[u8]>, i32) -> Option<i32>,
    ) -> Result<(), ProcessError> {
        let key = encode(key_serde, &record.key, &mut self.key).map_err(|error| unwritable("key", &error))?;
        let value = match &record.value {
            Some(value) => encode(value_serde, value, &mut self.value).map_err(|error| unwritable("value", &error))?,
            None => None,
        };
        self.sent += 1;
        let partition = choose(key, self.producer.partitions(topic)?);
        let Record { timestamp, headers, .. } = record;
        self.producer.send(Outgoing { topic, partition, timestamp: *timestamp, key, value, headers })?;
        Ok(())
    }

    /// Sends a watermark, as `headers`, to each partition of a repartition topic.
    pub(crate) fn send_mark(
        &mut self,
        topic: TopicId,
        timestamp: Timestamp,
        headers: &Headers,
    ) -> Result<(), BrokerError> {
        // Kafka takes no negative timestamps; what the mark says is in its headers.
        let timestamp = timestamp.max(0);
        for partition in 0..self.producer.partitions(topic)? {
            self.sent += 1;
            let partition = Some(partition);
            self.producer.send(Outgoing { topic, partition, timestamp, key: None, value: None, headers })?;
        }
        Ok(())
    }

    /// Sends one row of a store to its changelog.
    pub(crate) fn send_row(
        &mut self,
        topic: TopicId,
        partition: i32,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &Headers,
    ) -> Result<(), BrokerError> {
        self.sent += 1;
        self.producer.send(Outgoing { topic, partition: Some(partition), timestamp, key: Some(key), value, headers })
    }
}

fn unwritable(part: &str, error: &SerdeError) -> ProcessError {
    ProcessError::of_serde(RecordErrorKind::Write, &format!("the {part} cannot be written"), error)
}

/// The partition by the key's bytes, as Kafka's Java client chooses it; any for a record without key.
pub(crate) fn by_key<K: 'static>(serde: &dyn Serde<K>, key: Option<&[u8]>, partitions: i32) -> Option<i32> {
    key.map(|bytes| partition_of(serde.partition_bytes(bytes), partitions))
}
