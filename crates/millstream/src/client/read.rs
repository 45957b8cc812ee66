use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{ClientError, NAP, patient};
use crate::broker::{
    Assignment, Broker, BrokerError, ErrorKind, Fetched, Message, PartitionReader, Position, TopicPartition,
};
use crate::record::Record;
use crate::serde::decode;
use crate::topic::Topic;

/// A record with its place on the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<K, V> {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// The record; `None` is a null value.
    pub record: Record<K, Option<V>>,
}

/// Reads all that is committed on a topic as of now, partition after partition, each in its order. Transactions that are
/// open now are waited for. Where records are deleted meanwhile, that partition is read again from what is left.
///
/// # Errors
/// A record that the topic's serdes do not read; the broker's; nothing for `patience`.
pub fn read_all<K: 'static, V: 'static>(
    broker: &dyn Broker,
    topic: &Topic<K, V>,
    patience: Duration,
) -> Result<Vec<Placed<K, V>>, ClientError> {
    let name = topic.name();
    let Some(described) = patient(patience, || broker.describe(&[name]))?.remove(0) else {
        return Err(BrokerError::new(ErrorKind::Fatal, format!("topic {name} does not exist")).into());
    };
    let partitions: Vec<_> = (0..described.partitions).map(|number| TopicPartition::new(name, number)).collect();
    let ends = patient(patience, || broker.end_offsets(&partitions))?;
    let mut reading = Vec::new();
    for (partition, end) in partitions.into_iter().zip(ends) {
        let reader = patient(patience, || open(broker, &partition))?;
        reading.push(Reading { partition, reader, position: 0, end, records: Vec::new() });
    }
    let mut silent = Duration::ZERO;
    while let Some(waiting) = reading.iter().position(|reading| reading.position < reading.end) {
        let mut moved = false;
        for reading in &mut reading[waiting..] {
            moved |= match reading.read(topic) {
                Err(ClientError::Broker(error)) if error.kind == ErrorKind::Fenced => {
                    patient(patience, || reading.begin_anew(broker))?;
                    false
                }
                read => read?,
            };
        }
        if moved {
            silent = Duration::ZERO;
        } else if silent >= patience {
            return Err(ClientError::Silence { place: reading[waiting].partition.to_string(), waited: silent });
        } else {
            thread::park_timeout(NAP);
            silent += NAP;
        }
    }
    Ok(reading.into_iter().flat_map(|reading| reading.records).collect())
}

fn open(broker: &dyn Broker, partition: &TopicPartition) -> Result<Box<dyn PartitionReader>, BrokerError> {
    let this = thread::current();
    let waker = Arc::new(move || this.unpark());
    broker.reader(Assignment { partition: partition.clone(), from: Position::Beginning, waker })
}

/// A partition that is being read.
struct Reading<K, V> {
    partition: TopicPartition,
    reader: Box<dyn PartitionReader>,
    position: i64,
    /// Where it ended when this began.
    end: i64,
    records: Vec<Placed<K, V>>,
}

impl<K: 'static, V: 'static> Reading<K, V> {
    fn begin_anew(&mut self, broker: &dyn Broker) -> Result<(), BrokerError> {
        self.reader = open(broker, &self.partition)?;
        self.position = 0;
        self.records.clear();
        Ok(())
    }

    /// Takes what is here; returns whether that was something.
    fn read(&mut self, topic: &Topic<K, V>) -> Result<bool, ClientError> {
        let before = self.position;
        let mut failure = None;
        let Reading { partition, reader, position, records, .. } = self;
        reader.read(usize::MAX, &mut |fetched| {
            match fetched {
                Fetched::End(offset) => *position = offset.max(*position),
                Fetched::Record(message) => {
                    *position = message.offset + 1;
                    match place(topic, partition, message) {
                        Ok(record) => records.push(record),
                        Err(error) => {
                            failure = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        failure.map_or(Ok(self.position > before), Err)
    }
}

fn place<K: 'static, V: 'static>(
    topic: &Topic<K, V>,
    partition: &TopicPartition,
    message: Message<'_>,
) -> Result<Placed<K, V>, ClientError> {
    let offset = message.offset;
    let refused = |error| ClientError::Serde { place: format!("{partition}, offset {offset}"), error };
    let key = decode(topic.key_serde(), message.key).map_err(refused)?;
    let value = message.value.map(|bytes| topic.value_serde().decode(bytes)).transpose().map_err(refused)?;
    let (timestamp, headers) = (message.timestamp, message.headers);
    Ok(Placed { partition: partition.partition, offset, record: Record { key, value, timestamp, headers } })
}
