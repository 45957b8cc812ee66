use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream::broker::{Assignment, BrokerError, ErrorKind, Fetched, PartitionReader, Position, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::KafkaConsumer;
use crate::errors;
use crate::native::{Batch, Item, PartitionQueue};
use crate::restore::Restore;

/// Messages taken out of a queue at once, at most.
const BATCH: usize = 2048;

/// How long a seek is tried while the partition is not being fetched yet.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// A partition that is being read: shared by its reader and by whoever may take it away.
pub(crate) struct Slot {
    partition: TopicPartition,
    queue: Mutex<Option<PartitionQueue>>,
    /// librdkafka may have lost the place: the reader must seek to its own position before it reads on.
    resync: AtomicBool,
}

impl Slot {
    /// Must be called before the partition is assigned.
    pub(crate) fn open(consumer: &Arc<KafkaConsumer>, assignment: &Assignment) -> Result<Arc<Self>, BrokerError> {
        let queue = PartitionQueue::open(consumer, &assignment.partition, assignment.waker.clone())?;
        Ok(Arc::new(Slot {
            partition: assignment.partition.clone(),
            queue: Mutex::new(Some(queue)),
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

    /// To be called before librdkafka resumes a partition that it paused for an incremental rebalance. It goes on from
    /// "the last message consumed + 1", and takes the end of the partition for a message: it would skip a record.
    pub(crate) fn resync(&self) {
        self.resync.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn consumer(&self) -> Option<Arc<KafkaConsumer>> {
        self.queue.lock().unwrap().as_ref().map(|queue| queue.consumer().clone())
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
    /// Where dropping this gives the partition back; a member takes its partitions away itself.
    restore: Option<Arc<Restore>>,
}

impl KafkaReader {
    pub(crate) fn new(slot: Arc<Slot>, from: Position, restore: Option<Arc<Restore>>) -> Self {
        KafkaReader { slot, batch: Batch::default(), position: known(from), end: None, restore }
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
                    return Err(failure(&self.slot.partition, self.restore.is_some(), code, &text));
                }
            };
            *handed += 1;
            if take(fetched).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Seeks; with a partition that was taken away there is nothing to do.
    fn seek_to(&self, offset: Offset) -> Result<(), BrokerError> {
        let deadline = Instant::now() + SEEK_LIMIT;
        loop {
            let Some(consumer) = self.slot.consumer() else { return Ok(()) };
            // Even a seek that fails makes everything fetched before it void, so it must be tried until it is done.
            match seek_once(&consumer, &self.slot.partition, offset) {
                Ok(()) => return Ok(()),
                Err(code) if Instant::now() >= deadline => {
                    self.slot.resync.store(true, Ordering::SeqCst);
                    let message = format!("{} was not sought to {offset:?}: {code}", self.slot.partition);
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
        if self.slot.resync.swap(false, Ordering::SeqCst)
            && let Some(position) = self.position
        {
            self.seek_to(Offset::Offset(position))?;
        }
        let mut handed = 0;
        while handed < records_max {
            let wanted = (records_max - handed).min(BATCH);
            // Kept until the messages are destroyed: a consumer cannot be destroyed before them.
            let _consumer = {
                let queue = self.slot.queue.lock().unwrap();
                let Some(queue) = &*queue else { break };
                // Looked at under the lock: after a resync was asked for, nothing is taken before it is done.
                if self.slot.resync.load(Ordering::SeqCst) && self.position.is_some() {
                    break;
                }
                queue.fill(&mut self.batch, wanted);
                queue.consumer().clone()
            };
            let count = self.batch.len();
            if self.hand_over(&mut handed, take)?.is_break() || count < wanted {
                break;
            }
        }
        Ok(handed)
    }

    fn seek(&mut self, to: Position) -> Result<(), BrokerError> {
        self.position = known(to);
        self.end = None;
        self.slot.resync.store(false, Ordering::SeqCst);
        self.seek_to(native_offset(to))
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

fn known(position: Position) -> Option<i64> {
    match position {
        Position::Offset(offset) => Some(offset),
        Position::Beginning | Position::End => None,
    }
}

fn native_offset(position: Position) -> Offset {
    match position {
        Position::Offset(offset) => Offset::Offset(offset),
        Position::Beginning => Offset::Beginning,
        Position::End => Offset::End,
    }
}

/// Adds the partition of `assignment`, and where to start, to `list`.
pub(crate) fn add_start(list: &mut TopicPartitionList, assignment: &Assignment) -> Result<(), BrokerError> {
    let Assignment { partition, from, .. } = assignment;
    list.add_partition_offset(&partition.topic, partition.partition, native_offset(*from))
        .map_err(|error| errors::of_client(&format!("reading {partition} from {from:?}"), &error))
}

fn seek_once(consumer: &KafkaConsumer, partition: &TopicPartition, offset: Offset) -> Result<(), Code> {
    let code = |error: &KafkaError| errors::code_of(error).unwrap_or(Code::Fail);
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(&partition.topic, partition.partition, offset).map_err(|error| code(&error))?;
    let list = consumer.seek_partitions(list, Duration::from_secs(1)).map_err(|error| code(&error))?;
    list.elements().first().map_or(Ok(()), |element| element.error().map_err(|error| code(&error)))
}

/// An error of the partition that does not pass by itself.
fn failure(partition: &TopicPartition, outside_of_group: bool, code: Code, text: &str) -> BrokerError {
    let gone = matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation);
    let (kind, hint) = match (gone, outside_of_group) {
        // What was restored so far does not fit to what is left of the topic.
        (true, true) => (ErrorKind::Fenced, "; drop what was restored, and read from the beginning"),
        (true, false) => (ErrorKind::Fatal, "; set the offset reset to earliest or latest, or the group's offsets"),
        (false, _) => (ErrorKind::Fatal, ""),
    };
    BrokerError::new(kind, format!("reading {partition}: {code}: {text}{hint}"))
}
