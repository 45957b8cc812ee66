use std::ops::ControlFlow;
use std::sync::Arc;

use millstream::broker::{Assignment, Broker, BrokerError, Fetched, PartitionReader, Position, TopicPartition};
use millstream::record::{Header, Record, Timestamp};
use millstream::serde::SerdeError;
use millstream::topic::Topic;

/// A record as bytes: what outputs are compared by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Raw {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: Timestamp,
    headers: Vec<Header>,
}

/// Reads a topic on, `read_committed`, each partition in its order; never waits.
pub(crate) struct Follower {
    readers: Vec<Box<dyn PartitionReader>>,
    /// What was read so far of each partition.
    pub(crate) partitions: Vec<Vec<Raw>>,
}

impl Follower {
    /// At the topic's beginning.
    ///
    /// # Errors
    /// The broker's.
    pub(crate) fn new(broker: &dyn Broker, topic: &str) -> Result<Follower, BrokerError> {
        let partitions = broker.describe(&[topic])?.remove(0).map_or(0, |described| described.partitions);
        let open = |partition: i32| {
            let partition = TopicPartition::new(topic, partition);
            broker.reader(Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) })
        };
        let readers = (0..partitions).map(open).collect::<Result<Vec<_>, _>>()?;
        let partitions = readers.iter().map(|_| Vec::new()).collect();
        Ok(Follower { readers, partitions })
    }

    /// Takes what there is by now.
    ///
    /// # Errors
    /// The broker's.
    pub(crate) fn read(&mut self) -> Result<(), BrokerError> {
        for (reader, records) in self.readers.iter_mut().zip(&mut self.partitions) {
            reader.read(usize::MAX, &mut |fetched| {
                if let Fetched::Record(message) = fetched {
                    records.push(Raw {
                        key: message.key.map(Vec::from),
                        value: message.value.map(Vec::from),
                        timestamp: message.timestamp,
                        headers: message.headers.iter().cloned().collect(),
                    });
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }
}

/// All that is committed on a topic, partition after partition, each in its order.
///
/// # Errors
/// The broker's.
pub(crate) fn raw_records(broker: &dyn Broker, topic: &str) -> Result<Vec<Vec<Raw>>, BrokerError> {
    let mut follower = Follower::new(broker, topic)?;
    follower.read()?;
    Ok(follower.partitions)
}

/// A record by its topic's serdes; a null value is `None`. Its headers are left out.
pub(crate) fn typed<K: 'static, V: 'static>(
    topic: &Topic<K, V>,
    raw: &Raw,
) -> Result<Record<K, Option<V>>, SerdeError> {
    let key = match &raw.key {
        Some(bytes) => topic.key_serde().decode(bytes)?,
        None => topic.key_serde().decode_null()?,
    };
    let value = raw.value.as_deref().map(|bytes| topic.value_serde().decode(bytes)).transpose()?;
    Ok(Record::new(key, value, raw.timestamp))
}
