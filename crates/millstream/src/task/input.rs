use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::Failures;
use super::upstream::Upstream;
use crate::broker::{BrokerError, Committed, Fetched, Message, PartitionReader, Position, ReaderOf, TopicPartition};
use crate::record::{Headers, Timestamp};
use crate::time::Mark;

/// A partition handed to a task, with the group's position in it.
pub(crate) struct OpenInput {
    pub(crate) partition: TopicPartition,
    pub(crate) reader: Box<dyn PartitionReader>,
    /// Where the reader stands.
    pub(crate) start: Position,
    pub(crate) committed: Option<Committed>,
    /// Whether the topic is a repartition topic of this application.
    pub(crate) is_repartition: bool,
    /// The offset at which the run ends, if it is to end.
    pub(crate) stop: Option<i64>,
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
    /// The last record taken since the last commit.
    pub(crate) last: Option<i64>,
    /// Records that failed.
    pub(crate) failures: Failures,
    /// What the group has committed.
    pub(crate) committed: Option<i64>,
    /// The task's time, and what its sources had come to, that were committed with this input when the task was opened.
    pub(crate) opened_at: (Timestamp, Timestamp),
    /// The upstream tasks, where the input is a repartition topic; else nobody.
    pub(super) upstream: Upstream,
    /// Whether this application writes the topic itself, and so may find watermarks in it.
    pub(crate) is_repartition: bool,
    /// Whether its records move the task's clock by their timestamps on Kafka.
    pub(crate) moves_clock: bool,
    /// The offset at which the run ends, if it is to end; and whether the reader has come to it.
    stop: Option<i64>,
    is_stopped: bool,
    /// Whether the last thing fetched was the end.
    pub(crate) fetched_end: Option<i64>,
}

/// A record that waits for its turn.
pub(crate) struct Buffered {
    pub(crate) offset: i64,
    /// Its event time, by which it is chosen.
    pub(crate) timestamp: Timestamp,
    kafka_timestamp: Timestamp,
    /// A watermark, which is no record.
    pub(crate) mark: Option<Mark>,
    key: Option<Box<[u8]>>,
    value: Option<Box<[u8]>>,
    headers: Headers,
}

impl Buffered {
    pub(crate) fn copy(message: Message<'_>, timestamp: Timestamp, mark: Option<Mark>) -> Self {
        let Message { offset, timestamp: kafka_timestamp, key, value, headers } = message;
        Buffered {
            offset,
            timestamp,
            kafka_timestamp,
            mark,
            key: key.map(Into::into),
            value: value.map(Into::into),
            headers,
        }
    }

    pub(crate) fn message(&mut self) -> Message<'_> {
        Message {
            offset: self.offset,
            timestamp: self.kafka_timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: std::mem::take(&mut self.headers),
        }
    }
}

impl Input {
    /// `reads_time`: the source reads the time out of the record.
    pub(crate) fn new(open: OpenInput, upstream: Upstream, reads_time: bool) -> Self {
        let OpenInput { partition, reader, start, committed, is_repartition, stop } = open;
        let opened_at = committed.as_ref().map_or((Timestamp::MIN, Timestamp::MIN), |c| decode_time(&c.metadata));
        let committed = committed.map(|committed| committed.offset);
        Input {
            partition,
            reader,
            buffer: VecDeque::new(),
            position: committed,
            fetched: committed,
            start,
            last: None,
            failures: Failures::default(),
            committed,
            opened_at,
            moves_clock: !reads_time && !upstream.is_used(),
            upstream,
            is_repartition,
            stop,
            is_stopped: false,
            fetched_end: None,
        }
    }

    /// About how many bytes the records take that were read ahead.
    pub(crate) fn buffer_bytes(&self) -> u64 {
        let bytes = |bytes: &Option<Box<[u8]>>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        let records = self.buffer.iter().map(|record| bytes(&record.key) + bytes(&record.value));
        (records.sum::<usize>() + self.buffer.capacity() * size_of::<Buffered>()) as u64
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.fetched_end.is_some() && self.buffer.is_empty()
    }

    /// Notes a record fetched. Returns whether it is new: not one from before a position already reached.
    pub(crate) fn note_fetched(&mut self, offset: i64) -> bool {
        if let Some(stop) = self.stop.filter(|stop| offset >= *stop) {
            self.note_stop(stop);
            return false;
        }
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

    /// The reader has come to where the run ends: all that is beyond stays unread.
    fn note_stop(&mut self, stop: i64) {
        self.is_stopped = true;
        self.note_end_at(stop);
    }

    /// Whether all up to where the run ends is processed.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_stopped && self.buffer.is_empty()
    }

    /// Whether the run ends at an offset of this input.
    pub(crate) fn has_stop(&self) -> bool {
        self.stop.is_some()
    }

    /// Whether nothing is to be read any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub(crate) fn note_end(&mut self, offset: i64) {
        match self.stop.filter(|stop| offset >= *stop) {
            Some(stop) => self.note_stop(stop),
            None => self.note_end_at(offset),
        }
    }

    fn note_end_at(&mut self, offset: i64) {
        if self.fetched.is_none() {
            self.start = Position::Offset(offset);
        }
        self.fetched = self.fetched.max(Some(offset));
        self.fetched_end = Some(offset);
        if self.buffer.is_empty() {
            self.position = self.position.max(Some(offset));
        }
    }

    pub(crate) fn note_processed(&mut self, offset: i64) {
        self.position = Some(offset + 1);
        self.last = Some(offset);
        if self.buffer.is_empty() {
            // Markers and gaps at the end are passed with the last record before them.
            self.position = self.position.max(self.fetched_end);
        }
    }

    /// How many records may be read at most, if the batch is to end with the next one that is left out.
    pub(crate) fn until_left_out(&self) -> usize {
        match (self.failures.next_final(), self.fetched) {
            (Some(offset), Some(next)) => usize::try_from(offset - next).unwrap_or(0) + 1,
            _ => usize::MAX,
        }
    }

    /// Whether there is a position to commit: another than the group's.
    pub(crate) fn has_moved(&self) -> bool {
        self.position.is_some() && self.position != self.committed
    }

    /// The position with the task's time, for the group; nothing before the first record.
    pub(crate) fn to_commit(
        &self,
        time: (Timestamp, Timestamp),
        is_finished: bool,
    ) -> Option<(TopicPartition, Committed)> {
        let metadata = encode_time(time, is_finished);
        Some((self.partition.clone(), Committed { offset: self.position?, metadata }))
    }

    pub(crate) fn note_committed(&mut self) {
        self.committed = self.position;
        self.last = None;
        self.upstream.commit();
        if let Some(position) = self.position {
            self.start = Position::Offset(position);
            self.failures.forget_before(position);
        }
    }

    pub(crate) fn rollback(&mut self) -> Result<(), BrokerError> {
        self.buffer.clear();
        self.position = self.committed;
        self.last = None;
        self.fetched = self.committed;
        self.upstream.rollback();
        self.fetched_end = None;
        self.is_stopped = false;
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

/// What is said beside a committed offset of a task that came to the end of a run.
const FINISHED: &str = "finished";

/// Whether a task came to the end of a run, as it said beside its committed offset.
pub(crate) fn is_finished(metadata: &str) -> bool {
    metadata.split(' ').any(|word| word == FINISHED)
}

/// The metadata beside a committed offset: the task's time, and what its sources have come to where that is not the same.
fn encode_time((time, sources): (Timestamp, Timestamp), is_finished: bool) -> String {
    let mut words = Vec::new();
    if time != Timestamp::MIN {
        words.push(format!("time={time}"));
    }
    if sources != Timestamp::MIN && sources != time {
        words.push(format!("sources={sources}"));
    }
    if is_finished {
        words.push(FINISHED.to_owned());
    }
    words.join(" ")
}

fn decode_time(metadata: &str) -> (Timestamp, Timestamp) {
    let word = |name: &str| metadata.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
    let time = word("time=").unwrap_or(Timestamp::MIN);
    (time, word("sources=").unwrap_or(time))
}

#[cfg(test)]
mod tests {
    use super::{decode_time, encode_time, is_finished};
    use crate::record::Timestamp;

    #[test]
    fn times_come_back_from_the_metadata() {
        for times in [(5, 5), (5, 9), (Timestamp::MIN, 3), (Timestamp::MIN, Timestamp::MIN), (-7, -7)] {
            for finished in [false, true] {
                let metadata = encode_time(times, finished);
                assert_eq!((decode_time(&metadata), is_finished(&metadata)), (times, finished));
            }
        }
        assert_eq!(decode_time("somebody else's"), (Timestamp::MIN, Timestamp::MIN));
    }
}
