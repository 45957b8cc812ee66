use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::broker::{BrokerError, Committed, Fetched, Message, PartitionReader, Position, ReaderOf, TopicPartition};
use crate::record::{Headers, Timestamp};

/// A partition handed to a task, with the group's position in it.
pub(crate) struct OpenInput {
    pub(crate) partition: TopicPartition,
    pub(crate) reader: Box<dyn PartitionReader>,
    /// Where the reader stands.
    pub(crate) start: Position,
    pub(crate) committed: Option<Committed>,
}

/// One partition that a task reads.
pub(crate) struct Input {
    pub(crate) partition: TopicPartition,
    pub(crate) reader: Box<dyn PartitionReader>,
    /// Records read ahead; only a task with several inputs has some.
    pub(crate) buffer: VecDeque<Buffered>,
    /// The offset after the last record processed, or beyond, at the end; `None` before the first.
    pub(crate) position: Option<i64>,
    /// The offset after the last one fetched.
    pub(crate) fetched: Option<i64>,
    /// Where a rollback goes back to.
    pub(crate) start: Position,
    /// What the group has committed.
    pub(crate) committed: Option<i64>,
    /// The largest timestamp processed.
    pub(crate) time: Timestamp,
    /// The same at the last commit.
    pub(crate) committed_time: Timestamp,
    /// Whether the last thing fetched was the end.
    pub(crate) fetched_end: Option<i64>,
}

/// A record that waits for its turn.
pub(crate) struct Buffered {
    pub(crate) offset: i64,
    pub(crate) timestamp: Timestamp,
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    headers: Headers,
}

impl Buffered {
    pub(crate) fn copy(message: Message<'_>) -> Self {
        let Message { offset, timestamp, key, value, headers } = message;
        Buffered { offset, timestamp, key: key.map(Into::into), value: value.map(Into::into), headers }
    }

    pub(crate) fn message(&mut self) -> Message<'_> {
        Message {
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: std::mem::take(&mut self.headers),
        }
    }
}

impl Input {
    pub(crate) fn new(open: OpenInput) -> Self {
        let OpenInput { partition, reader, start, committed } = open;
        let time = committed.as_ref().and_then(|c| decode_time(&c.metadata)).unwrap_or(Timestamp::MIN);
        let committed = committed.map(|committed| committed.offset);
        Input {
            partition,
            reader,
            buffer: VecDeque::new(),
            position: committed,
            fetched: committed,
            start,
            committed,
            time,
            committed_time: time,
            fetched_end: None,
        }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.fetched_end.is_some() && self.buffer.is_empty()
    }

    /// Notes a record fetched. Returns whether it is new: not one from before a position already reached.
    pub(crate) fn note_fetched(&mut self, offset: i64) -> bool {
        if self.fetched.is_some_and(|next| offset < next) {
            return false;
        }
        if self.fetched.is_none() {
            // Where a rollback goes back to, now that it is known: by now the end may be further, or the beginning.
            self.start = Position::Offset(offset);
        }
        self.fetched = Some(offset + 1);
        self.fetched_end = None;
        true
    }

    pub(crate) fn note_end(&mut self, offset: i64) {
        if self.fetched.is_none() {
            self.start = Position::Offset(offset);
        }
        self.fetched = self.fetched.max(Some(offset));
        self.fetched_end = Some(offset);
        if self.buffer.is_empty() {
            self.position = self.position.max(Some(offset));
        }
    }

    pub(crate) fn note_processed(&mut self, offset: i64, timestamp: Timestamp) {
        self.time = self.time.max(timestamp);
        self.position = Some(offset + 1);
        if self.buffer.is_empty() {
            // Markers and gaps at the end are passed with the last record before them.
            self.position = self.position.max(self.fetched_end);
        }
    }

    /// The position to commit, if it is another than the group's.
    pub(crate) fn to_commit(&self) -> Option<(TopicPartition, Committed)> {
        let offset = self.position.filter(|position| Some(*position) != self.committed)?;
        Some((self.partition.clone(), Committed { offset, metadata: encode_time(self.time) }))
    }

    pub(crate) fn note_committed(&mut self) {
        self.committed = self.position;
        self.committed_time = self.time;
        if let Some(position) = self.position {
            self.start = Position::Offset(position);
        }
    }

    pub(crate) fn rollback(&mut self) -> Result<(), BrokerError> {
        self.buffer.clear();
        self.position = self.committed;
        self.fetched = self.committed;
        self.time = self.committed_time;
        self.fetched_end = None;
        self.reader.seek(self.start)
    }

    pub(crate) fn into_reader(self) -> ReaderOf {
        (self.partition, self.reader)
    }
}

/// Stands in for a reader while that one is in use.
pub(crate) struct NoReader;

impl PartitionReader for NoReader {
    fn read(
        &mut self,
        _records_max: usize,
        _take: &mut dyn FnMut(Fetched<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        Ok(0)
    }

    fn seek(&mut self, _to: Position) -> Result<(), BrokerError> {
        Ok(())
    }
}

/// The metadata beside a committed offset: the partition's time, `time=<ms>`.
fn encode_time(time: Timestamp) -> String {
    if time == Timestamp::MIN { String::new() } else { format!("time={time}") }
}

fn decode_time(metadata: &str) -> Option<Timestamp> {
    metadata.strip_prefix("time=")?.parse().ok()
}
