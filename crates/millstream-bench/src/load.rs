use anyhow::{Context, Result};
use millstream::broker::{Outgoing, Producer, TopicId};
use millstream::partitioner::partition_of;
use millstream::record::Headers;

use crate::bids::write_bid;

/// Writes the bids 0 to `records` to the first topic of `producer`, each to its key's partition, and waits until they are
/// there.
pub(crate) fn load(producer: &mut dyn Producer, records: u64) -> Result<()> {
    let topic = TopicId(0);
    let partitions = producer.partitions(topic).context("asking for the input's partitions")?;
    let headers = Headers::default();
    let (mut key, mut value) = (String::new(), String::new());
    for number in 0..records {
        let timestamp = write_bid(number, &mut key, &mut value);
        let (key, value) = (key.as_bytes(), value.as_bytes());
        let partition = Some(partition_of(key, partitions));
        producer
            .send(Outgoing { topic, partition, timestamp, key: Some(key), value: Some(value), headers: &headers })
            .with_context(|| format!("loading bid {number}"))?;
    }
    producer.commit(&[]).context("loading the last bids")
}

#[cfg(test)]
mod tests {
    use millstream::broker::{BrokerError, Committed, TopicPartition};

    use super::*;

    type Written = (i32, Vec<u8>, Vec<u8>, i64);

    /// Keeps what is sent; `committed` of it is durable.
    #[derive(Default)]
    struct Log {
        sent: Vec<Written>,
        committed: usize,
    }

    impl Producer for Log {
        fn topic(&mut self, _name: &str) -> Result<TopicId, BrokerError> {
            Ok(TopicId(0))
        }

        fn partitions(&mut self, _topic: TopicId) -> Result<i32, BrokerError> {
            Ok(4)
        }

        fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
            let bytes = |bytes: Option<&[u8]>| bytes.unwrap().to_vec();
            self.sent.push((record.partition.unwrap(), bytes(record.key), bytes(record.value), record.timestamp));
            Ok(())
        }

        fn commit(&mut self, _offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
            self.committed = self.sent.len();
            Ok(())
        }

        fn abort(&mut self) -> Result<(), BrokerError> {
            Ok(())
        }
    }

    #[test]
    fn two_loads_are_equal_and_spread_over_all_partitions_by_key() {
        let (mut one, mut other) = (Log::default(), Log::default());
        load(&mut one, 10_000).unwrap();
        load(&mut other, 10_000).unwrap();
        assert!(one.sent == other.sent);
        assert_eq!(one.committed, 10_000);
        for partition in 0..4 {
            let its: Vec<_> = one.sent.iter().filter(|(p, ..)| *p == partition).collect();
            assert!((2_300..2_700).contains(&its.len()), "{}", its.len());
            assert!(its.iter().all(|(_, key, ..)| partition_of(key, 4) == partition));
        }
        assert!(one.sent.is_sorted_by_key(|(.., timestamp)| *timestamp));
    }
}
