use std::ops::ControlFlow;
use std::sync::Arc;

use crate::broker::{
    Assignment, Broker, BrokerError, ErrorKind, Fetched, Message, PartitionReader, Position, TopicPartition,
};
use crate::record::Timestamp;

/// How long, in ms, after something that the broker would not do it is tried again.
pub(super) const AGAIN_MS: i64 = 5_000;

/// The same, in ms, of a topic that cannot be opened yet: an instance may be waiting for it before it joins.
const OPEN_AGAIN_MS: i64 = 500;

/// How many records are taken at once.
const BATCH_RECORDS: usize = 1_000;

/// Reads the control topic.
pub(super) struct Control {
    partition: TopicPartition,
    reading: Option<Reading>,
    open_at: Timestamp,
}

struct Reading {
    reader: Box<dyn PartitionReader>,
    position: i64,
    /// Where the topic ended when reading began.
    end: i64,
}

impl Control {
    pub(super) fn new(topic: Arc<str>) -> Self {
        Control { partition: TopicPartition::new(topic, 0), reading: None, open_at: Timestamp::MIN }
    }

    /// Begins to read.
    pub(super) fn open(&mut self, broker: &dyn Broker) -> Result<(), BrokerError> {
        let partition = self.partition.clone();
        let end = broker.end_offsets(std::slice::from_ref(&partition))?[0];
        // It is looked at all the time.
        let reader = broker.reader(Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) })?;
        self.reading = Some(Reading { reader, position: 0, end });
        Ok(())
    }

    /// Whether all that was there when reading began was read.
    pub(super) fn is_complete(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.position >= reading.end)
    }

    /// Whether there was nothing when reading began.
    pub(super) fn was_empty(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.end == 0)
    }

    /// Hands over what is new, each record with whether it was written after reading began.
    pub(super) fn read(&mut self, broker: &dyn Broker, now: Timestamp, take: &mut dyn FnMut(&Message<'_>, bool)) {
        let result = match &mut self.reading {
            Some(reading) => reading.read(take),
            None if now < self.open_at => Ok(()),
            None => self.open(broker),
        };
        if let Err(error) = result {
            let topic = &self.partition.topic;
            tracing::warn!(%topic, %error, "what other instances tell is not read; trying again");
            // What is gone was old: the rest says what there is.
            let wait = match (error.kind, self.reading.take().is_some()) {
                (ErrorKind::Fenced, _) => 0,
                (ErrorKind::Retry, false) => OPEN_AGAIN_MS,
                _ => AGAIN_MS,
            };
            self.open_at = now + wait;
        }
    }
}

impl Reading {
    fn read(&mut self, take: &mut dyn FnMut(&Message<'_>, bool)) -> Result<(), BrokerError> {
        let Reading { reader, position, end } = self;
        reader.read(BATCH_RECORDS, &mut |fetched| {
            match fetched {
                Fetched::End(offset) => *position = offset.max(*position),
                Fetched::Record(record) => {
                    take(&record, record.offset >= *end);
                    *position = record.offset + 1;
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }
}
