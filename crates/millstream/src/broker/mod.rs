//! The ports to a broker: what the engine asks of Kafka, and nothing else.
//!
//! `millstream-kafka` implements them with librdkafka, `millstream-memory` in memory. Every call may come from the
//! thread that owns the object; only [`Broker`] is shared between threads. No port is async, and none but those that
//! say so waits.

mod away;
mod error;
mod topics;

pub use away::Away;
pub use error::{BrokerError, ErrorKind};
pub use topics::{CleanupPolicy, NewTopic, TopicDescription};

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::record::{Headers, Timestamp};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// A consumer group's committed position in a partition: the offset to read next, and a text stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of the next record to read.
    pub offset: i64,
    /// Stored beside it; the engine keeps the partition's stream time there.
    pub metadata: String,
}

/// Where to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The record with this offset, or the next one there is.
    Offset(i64),
    /// The oldest record.
    Beginning,
    /// What is written from now on.
    End,
}

/// A change of the group's assignment. The member is bound to answer each one, by [`GroupMember::assign`] for
/// `Assigned` and [`GroupMember::unassign`] for the other two, once what must be done first is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// These partitions are this member's now, beside those that it has.
    Assigned(Vec<TopicPartition>),
    /// These partitions are to be given up; until the answer, no other member has them.
    Revoked(Vec<TopicPartition>),
    /// These partitions are gone, and may be another member's already: nothing of them can be committed.
    Lost(Vec<TopicPartition>),
}

/// Called, from any thread, when a reader that had nothing to read has something.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A partition to be read: where from, and whom to wake.
pub struct Assignment {
    /// The partition.
    pub partition: TopicPartition,
    /// Where to start.
    pub from: Position,
    /// Called when there is something to read after there was nothing.
    pub waker: Waker,
}

/// A record as it lies on the broker's side, borrowed for one call.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Its place in the partition.
    pub offset: i64,
    /// Its timestamp in ms.
    pub timestamp: Timestamp,
    /// Its key, or null.
    pub key: Option<&'a [u8]>,
    /// Its value, or null.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers,
}

/// What a reader hands over.
#[derive(Clone, Debug)]
pub enum Fetched<'a> {
    /// The next record.
    Record(Message<'a>),
    /// All that can be read now has been handed over, and the reader stands at this offset: beyond the last record,
    /// beyond transaction markers and what compaction removed. Comes once each time that the end is reached.
    End(i64),
}

/// The topic at this place in the list that a producer was made with, or that [`Producer::topic`] added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub u32);

/// A record to be written; the bytes are copied before `send` returns.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: TopicId,
    /// Which partition; `None` leaves the choice to the producer (spread over all).
    pub partition: Option<i32>,
    /// The record's time in ms.
    pub timestamp: Timestamp,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null (a tombstone).
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a Headers,
}

/// A cluster: its topics, and the makers of everything else. Calls wait for the broker's answer.
pub trait Broker: Send + Sync {
    /// What each of `topics` is like, in their order; `None` for one that does not exist.
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError>;

    /// Creates topics. One that exists already, created meanwhile by another instance, is no error.
    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError>;

    /// Deletes the records before an offset. May return before it is done; a failure may be left to the next call.
    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError>;

    /// The offset after the last record, committed or not, of each partition (`read_uncommitted`).
    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError>;

    /// As [`Broker::end_offsets`], once the transactions that this process has ended are in the log to their last marker, which
    /// comes a moment after the answer that they are ended. Does not wait for long, so a marker may still be missing.
    fn settled_end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.end_offsets(partitions)
    }

    /// The offset of the first record of each partition whose timestamp (ms) is that or later; `None` where there is none.
    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: Timestamp) -> Result<Vec<Option<i64>>, BrokerError>;

    /// Joins the consumer group for `topics`, at the latest with the first poll. Records are read `read_committed`.
    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError>;

    /// Reads one partition outside of the group, `read_committed`; dropping the reader ends it. A partition may have
    /// several such readers.
    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError>;

    /// A producer outside of any group and of any transaction, for who loads input: it commits records alone, and
    /// refuses positions. `topics` gives the dense ids, as with [`GroupMember::producer`].
    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError>;

    /// Whether no broker answers at all, as far as is known by now; does not wait.
    fn away(&self) -> Option<Away> {
        None
    }

    /// From now on, no call waits for brokers that do not answer: for a process that is to end.
    fn give_up(&self) {}
}

/// One member of the consumer group: an instance. Owned by one thread, which polls it.
pub trait GroupMember: Send {
    /// Waits up to `timeout` for the next change of the assignment. Must be called at all times, also while an
    /// event is not answered yet.
    fn poll(&mut self, timeout: Duration) -> Result<Option<GroupEvent>, BrokerError>;

    /// The group's committed positions, in the order of `partitions`; waits for pending transactions, and fails with
    /// [`ErrorKind::Retry`] when they take too long.
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError>;

    /// Answers [`GroupEvent::Assigned`]: starts reading, and returns one reader for each assignment, in order.
    fn assign(&mut self, assignments: Vec<Assignment>) -> Result<Vec<Box<dyn PartitionReader>>, BrokerError>;

    /// Answers [`GroupEvent::Revoked`] and [`GroupEvent::Lost`]. Readers of the partitions read nothing any more.
    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError>;

    /// A producer whose commits belong to this member. `topics` gives the dense ids: the first is `TopicId(0)`.
    /// With a `transactional_id` it is transactional, and an earlier producer of that id is fenced; this waits
    /// until the earlier one's transaction is ended.
    fn producer(
        &mut self,
        transactional_id: Option<&str>,
        topics: &[Arc<str>],
    ) -> Result<Box<dyn Producer>, BrokerError>;

    /// Fences the producers of these transactional ids, which are another instance's, and ends their transactions. May return
    /// before that is done: [`GroupMember::committed`] waits for it.
    fn fence(&mut self, transactional_ids: &[&str]) -> Result<(), BrokerError> {
        transactional_ids.iter().try_for_each(|id| self.producer(Some(id), &[]).map(drop))
    }

    /// Leaves the group, once nothing is assigned any more that must be committed.
    fn leave(self: Box<Self>) -> Result<(), BrokerError>;
}

/// Reads one partition, in order.
pub trait PartitionReader: Send {
    /// Hands over up to `records_max` records, the end counted as one, that are here already; never waits. Returns how
    /// many it handed over.
    /// When `take` breaks, the rest is thrown away: the reader must be sought before it is read again.
    fn read(
        &mut self,
        records_max: usize,
        take: &mut dyn FnMut(Fetched<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError>;

    /// Goes on from there; nothing that was fetched before is handed over after this.
    fn seek(&mut self, to: Position) -> Result<(), BrokerError>;
}

/// A partition with its reader, on its way from one owner to another.
pub type ReaderOf = (TopicPartition, Box<dyn PartitionReader>);

/// Writes records, and commits them with the positions read. Owned by one thread.
///
/// With a transactional id, a transaction begins by itself with the first call after a commit or an abort.
pub trait Producer: Send {
    /// The id for a topic that is not among those the producer was made with; asks the broker the first time.
    fn topic(&mut self, name: &str) -> Result<TopicId, BrokerError>;

    /// How many partitions a topic has.
    fn partitions(&mut self, topic: TopicId) -> Result<i32, BrokerError>;

    /// Writes a record. Waits while the producer's queue is full: so consumption stops, and nothing is dropped.
    fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError>;

    /// Makes everything sent, and `offsets` as the group's positions, durable: in one transaction if transactional;
    /// otherwise first the records, then the offsets. Waits. After an error of kind [`ErrorKind::Abort`] call
    /// [`Producer::abort`]; after [`ErrorKind::Fenced`] throw the producer away.
    fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError>;

    /// Waits, for up to `limit`, until nothing that was sent is under way; returns whether that is so. What is sent goes out
    /// without this, too. One whose records are there when `send` returns need not implement it.
    fn flush(&mut self, _limit: Duration) -> Result<bool, BrokerError> {
        Ok(true)
    }

    /// Takes back what was sent since the last commit, if transactional; otherwise only waits until nothing of it is
    /// under way.
    fn abort(&mut self) -> Result<(), BrokerError>;
}
