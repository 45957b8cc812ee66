use super::ClientError;
use crate::broker::{Broker, BrokerError, Outgoing, Producer};
use crate::partitioner::partition_of;
use crate::record::Record;
use crate::serde::encode;
use crate::topic::Topic;

/// Writes typed records to topics, each to its key's partition, outside of transactions.
pub struct RecordWriter {
    producer: Box<dyn Producer>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl RecordWriter {
    /// A writer to the broker.
    ///
    /// # Errors
    /// The broker's.
    pub fn new(broker: &dyn Broker) -> Result<Self, BrokerError> {
        Ok(RecordWriter { producer: broker.producer(&[])?, key: Vec::new(), value: Vec::new() })
    }

    /// Writes a record; `None` is a null value. Waits while the producer's queue is full.
    ///
    /// # Errors
    /// A value that its serde does not write; the broker's.
    pub fn send<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
        record: &Record<K, Option<V>>,
    ) -> Result<(), ClientError> {
        let refused = |error| ClientError::Serde { place: format!("a record for topic {}", topic.name()), error };
        let key = encode(topic.key_serde(), &record.key, &mut self.key).map_err(refused)?;
        let value = match &record.value {
            Some(value) => encode(topic.value_serde(), value, &mut self.value).map_err(refused)?,
            None => None,
        };
        let id = self.producer.topic(topic.name())?;
        let partitions = self.producer.partitions(id)?;
        let partition = key.map(|bytes| partition_of(topic.key_serde().partition_bytes(bytes), partitions));
        let (timestamp, headers) = (record.timestamp, &record.headers);
        Ok(self.producer.send(Outgoing { topic: id, partition, timestamp, key, value, headers })?)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// The broker's; then it is not known which records are there.
    pub fn flush(&mut self) -> Result<(), BrokerError> {
        self.producer.commit(&[])
    }
}
