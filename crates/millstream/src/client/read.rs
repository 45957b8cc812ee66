use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::ClientError;
use crate::broker::{Assignment, Broker, BrokerError, ErrorKind, Fetched, Message, Position, TopicPartition};
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
/// open now are waited for.
///
/// # Errors
/// A record that the topic's serdes do not read; the broker's; nothing for `patience`.
pub fn read_all<K: 'static, V: 'static>(
    broker: &dyn Broker,
    topic: &Topic<K, V>,
    patience: Duration,
) -> Result<Vec<Placed<K, V>>, ClientError> {
    let name = topic.name();
    let Some(described) = broker.describe(&[name])?.remove(0) else {
        return Err(BrokerError::new(ErrorKind::Fatal, format!("topic {name} does not exist")).into());
    };
    let partitions: Vec<_> = (0..described.partitions).map(|number| TopicPartition::new(name, number)).collect();
    let ends = broker.end_offsets(&partitions)?;
    let mut records = Vec::new();
    for (partition, end) in partitions.into_iter().zip(ends) {
        if end > 0 {
            read_partition(broker, topic, partition, end, patience, &mut records)?;
        }
    }
    Ok(records)
}

fn read_partition<K: 'static, V: 'static>(
    broker: &dyn Broker,
    topic: &Topic<K, V>,
    partition: TopicPartition,
    end: i64,
    patience: Duration,
    records: &mut Vec<Placed<K, V>>,
) -> Result<(), ClientError> {
    let this = thread::current();
    let waker = Arc::new(move || this.unpark());
    let mut reader = broker.reader(Assignment { partition: partition.clone(), from: Position::Beginning, waker })?;
    let mut position = 0;
    let mut silent = Duration::ZERO;
    while position < end {
        let before = position;
        let mut failure = None;
        reader.read(usize::MAX, &mut |fetched| {
            match fetched {
                Fetched::End(offset) => position = position.max(offset),
                Fetched::Record(message) => {
                    position = message.offset + 1;
                    match place(topic, &partition, message) {
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
        if let Some(error) = failure {
            return Err(error);
        }
        if position > before {
            silent = Duration::ZERO;
        } else if silent >= patience {
            return Err(ClientError::Silence { place: partition.to_string(), waited: silent });
        } else {
            const NAP: Duration = Duration::from_millis(20);
            thread::park_timeout(NAP);
            silent += NAP;
        }
    }
    Ok(())
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
