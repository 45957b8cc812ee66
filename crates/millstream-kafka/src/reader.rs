use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream::broker::{
    Assignment, BrokerError, ErrorKind, Fetched, Message, PartitionReader, Position, TopicPartition,
};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::KafkaConsumer;
use crate::errors;
use crate::native::{Batch, Item, PartitionQueue};
use crate::restore::Restore;
use crate::rights::Needed;
use crate::start::{self, known};

/// Messages taken out of a queue at once, at most.
const BATCH: usize = 2048;

/// How long the client may take for one seek; it asks no broker.
const SEEK_ONCE_LIMIT: Duration = Duration::from_secs(1);

/// How long a seek is tried while the partition is not being fetched yet.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// A partition that is being read: shared by its reader and by whoever may take it away.
pub(crate) struct Slot {
    partition: TopicPartition,
    queue: Mutex<Option<PartitionQueue>>,
    /// Where the reader stood a moment ago, or [`UNKNOWN`].
    position: AtomicI64,
    /// librdkafka may have lost the place: the reader must seek to its own position before it reads on.
    resync: AtomicBool,
}

const UNKNOWN: i64 = -1;

impl Slot {
    /// Must be called before the partition is assigned.
    pub(crate) fn open(consumer: &Arc<KafkaConsumer>, assignment: &Assignment) -> Result<Arc<Self>, BrokerError> {
        let queue = PartitionQueue::open(consumer, &assignment.partition, assignment.waker.clone())?;
        Ok(Arc::new(Slot {
            partition: assignment.partition.clone(),
            queue: Mutex::new(Some(queue)),
            position: AtomicI64::new(UNKNOWN),
            resync: AtomicBool::new(false),
        }))
    }

    /// From now on the reader reads nothing, and wakes nobody.
    pub(crate) fn close(&self) {
        self.queue.lock().unwrap().take();
    }

    /// Wakes the reader's owner.
    pub(crate) fn wake(&self) {
        if let Some(queue) = &*self.queue.lock().unwrap() {
            queue.wake();
        }
    }

    fn consumer(&self) -> Option<Arc<KafkaConsumer>> {
        self.queue.lock().unwrap().as_ref().map(|queue| queue.consumer().clone())
    }
}

/// To be called before librdkafka resumes partitions that it paused for an incremental rebalance. It goes on from "the
/// last message consumed + 1", and takes the end of the partition for a message: it would fetch from beyond the end,
/// and reset the position, or skip a record.
pub(crate) fn resync<'a>(consumer: &KafkaConsumer, slots: impl Iterator<Item = &'a Arc<Slot>> + Clone) {
    let mut list = TopicPartitionList::new();
    for slot in slots.clone() {
        let position = slot.position.load(Ordering::SeqCst);
        let TopicPartition { topic, partition } = &slot.partition;
        if position != UNKNOWN && list.add_partition_offset(topic, *partition, Offset::Offset(position)).is_err() {
            tracing::warn!(partition = %slot.partition, position, "not a position");
        }
    }
    // What a reader has handed over since it noted its position would come again: so each seeks once more, from where it
    // really stands, before it takes anything. That seek must be the later one.
    if list.count() > 0
        && let Err(error) = consumer.seek_partitions(list, SEEK_ONCE_LIMIT)
    {
        tracing::warn!("partitions that stay were not sought before a rebalance went on: {error}");
    }
    for slot in slots {
        slot.resync.store(true, Ordering::SeqCst);
        slot.wake();
    }
}

/// Reads one partition from its own queue.
pub(crate) struct KafkaReader {
    slot: Arc<Slot>,
    batch: Batch,
    /// The offset to be handed over next, once it is known.
    position: Option<i64>,
    /// The end that was handed over last, if nothing was since.
    end: Option<i64>,
    /// Messages were taken out of the queue and not handed over: librdkafka stands further than this reader.
    is_behind: bool,
    /// Where dropping this gives the partition back; a member takes its partitions away itself.
    restore: Option<Arc<Restore>>,
}

impl KafkaReader {
    pub(crate) fn new(slot: Arc<Slot>, from: Position, restore: Option<Arc<Restore>>) -> Self {
        let reader =
            KafkaReader { slot, batch: Batch::default(), position: known(from), end: None, is_behind: false, restore };
        reader.note_position();
        reader
    }

    fn note_position(&self) {
        self.slot.position.store(self.position.unwrap_or(UNKNOWN), Ordering::SeqCst);
    }

    /// Hands the batch over; `handed` counts. Breaks when `take` does.
    fn hand_over(
        &mut self,
        handed: &mut usize,
        take: &mut dyn FnMut(Fetched<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, BrokerError> {
        for message in self.batch.drain() {
            let fetched = match message.item() {
                Item::Record(record) => {
                    self.position = Some(record.offset + 1);
                    self.end = None;
                    Fetched::Record(record)
                }
                // librdkafka repeats the end after it has paused the partition for a rebalance.
                Item::End(offset) if self.end == Some(offset) => continue,
                Item::End(offset) => {
                    self.position = Some(offset);
                    self.end = Some(offset);
                    Fetched::End(offset)
                }
                Item::Failed(code, text) if errors::is_transient(code) => {
                    tracing::warn!(partition = %self.slot.partition, "reading goes on after: {code}: {text}");
                    continue;
                }
                Item::Failed(code, text) => {
                    let failure = failure(&self.slot.partition, self.restore.is_some(), code, &text);
                    let Some(consumer) = self.slot.consumer() else { return Err(failure) };
                    let needed = Needed::Topic("Read", &self.slot.partition.topic);
                    return Err(consumer.context().rights().explain(failure, Some(code), needed));
                }
            };
            *handed += 1;
            if take(fetched).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Waits until librdkafka has found the start by itself, if it has to (see [`start::resolved`]): a seek before that
    /// would be undone. What is read meanwhile is thrown away.
    fn await_start(&mut self) -> Result<(), BrokerError> {
        let deadline = Instant::now() + SEEK_LIMIT;
        while self.position.is_none() {
            let Some(_consumer) = self.fill(BATCH) else { return Ok(()) };
            for message in self.batch.drain() {
                if let Item::Record(Message { offset, .. }) | Item::End(offset) = message.item() {
                    self.position = Some(offset);
                }
            }
            if Instant::now() >= deadline {
                let message =
                    format!("{} cannot be sought: the broker does not say its start yet", self.slot.partition);
                return Err(BrokerError::new(ErrorKind::Retry, message));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Moves messages into the batch. Returns what must be kept until they are destroyed, since a consumer cannot be
    /// destroyed before them; nothing if the partition was taken away, or must be sought first.
    fn fill(&mut self, wanted: usize) -> Option<Arc<KafkaConsumer>> {
        let queue = self.slot.queue.lock().unwrap();
        let queue = queue.as_ref()?;
        // Looked at under the lock: after a resync was asked for, nothing is taken before it is done.
        if self.slot.resync.load(Ordering::SeqCst) && self.position.is_some() {
            return None;
        }
        queue.fill(&mut self.batch, wanted);
        Some(queue.consumer().clone())
    }

    /// Seeks; with a partition that was taken away there is nothing to do.
    fn seek_to(&self, offset: i64) -> Result<(), BrokerError> {
        let deadline = Instant::now() + SEEK_LIMIT;
        loop {
            let Some(consumer) = self.slot.consumer() else { return Ok(()) };
            // Even a seek that fails makes everything fetched before it void, so it must be tried until it is done.
            match seek_once(&consumer, &self.slot.partition, offset) {
                Ok(()) => return Ok(()),
                Err(code) if Instant::now() >= deadline => {
                    self.slot.resync.store(true, Ordering::SeqCst);
                    let message = format!("{} was not sought to offset {offset}: {code}", self.slot.partition);
                    return Err(BrokerError::new(ErrorKind::Retry, message));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl PartitionReader for KafkaReader {
    fn read(
        &mut self,
        records_max: usize,
        take: &mut dyn FnMut(Fetched<'_>) -> ControlFlow<()>,
    ) -> Result<usize, BrokerError> {
        if (self.slot.resync.swap(false, Ordering::SeqCst) || self.is_behind)
            && let Some(position) = self.position
        {
            self.seek_to(position)?;
            self.is_behind = false;
        }
        let mut handed = 0;
        while handed < records_max {
            let wanted = (records_max - handed).min(BATCH);
            let Some(_consumer) = self.fill(wanted) else { break };
            let count = self.batch.len();
            self.is_behind = true;
            let outcome = self.hand_over(&mut handed, take);
            self.note_position();
            if outcome?.is_break() {
                break;
            }
            self.is_behind = false;
            if count < wanted {
                break;
            }
        }
        Ok(handed)
    }

    fn seek(&mut self, to: Position) -> Result<(), BrokerError> {
        let Some(consumer) = self.slot.consumer() else { return Ok(()) };
        let offset = match to {
            Position::Offset(offset) => offset,
            _ => start::offsets(&consumer, &[(&self.slot.partition, to)], SEEK_LIMIT)?.remove(0)?,
        };
        drop(consumer);
        self.await_start()?;
        (self.position, self.end) = (Some(offset), None);
        self.note_position();
        self.slot.resync.store(false, Ordering::SeqCst);
        self.seek_to(offset)?;
        self.is_behind = false;
        // Void messages may be left in the queue, and librdkafka wakes for the first message in an empty one only.
        self.slot.wake();
        Ok(())
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Some(restore) = &self.restore {
            self.slot.close();
            restore.release(&self.slot.partition);
        }
    }
}

fn seek_once(consumer: &KafkaConsumer, partition: &TopicPartition, offset: i64) -> Result<(), Code> {
    let code = |error: &KafkaError| errors::code_of(error).unwrap_or(Code::Fail);
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(offset))
        .map_err(|error| code(&error))?;
    let list = consumer.seek_partitions(list, SEEK_ONCE_LIMIT).map_err(|error| code(&error))?;
    list.elements().first().map_or(Ok(()), |element| element.error().map_err(|error| code(&error)))
}

/// An error of the partition that does not pass by itself.
fn failure(partition: &TopicPartition, outside_of_group: bool, code: Code, text: &str) -> BrokerError {
    let gone = matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation)
        // A changelog that is deleted is made anew, or cannot be read at all: who opens it again finds out.
        || (outside_of_group
            && matches!(code, Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition));
    let (kind, hint) = match (gone, outside_of_group) {
        // What was restored so far does not fit to what is left of the topic.
        (true, true) => (ErrorKind::Fenced, "; drop what was restored, and read from the beginning"),
        (true, false) => (ErrorKind::Fatal, "; set the offset reset to earliest or latest, or the group's offsets"),
        (false, _) => (ErrorKind::Fatal, ""),
    };
    BrokerError::new(kind, format!("reading {partition}: {code}: {text}{hint}"))
}
