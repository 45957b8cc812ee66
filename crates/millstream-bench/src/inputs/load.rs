use anyhow::{Context, Result};
use millstream::broker::{Outgoing, Producer, TopicId};
use millstream::partitioner::partition_of;
use millstream::record::{Headers, Timestamp};

/// Writes the records 0 to `records` to the first topic of `producer`, each to its key's partition, and waits until they are
/// there. `write` puts a record's key and value into two empty buffers, and says its time. Records without a key go to the
/// partitions in turn.
pub(super) fn load_all(
    producer: &mut dyn Producer,
    records: u64,
    mut write: impl FnMut(u64, &mut String, &mut Vec<u8>) -> Timestamp,
) -> Result<()> {
    let topic = TopicId(0);
    let partitions = producer.partitions(topic).context("asking for the input's partitions")?;
    let headers = Headers::default();
    let (mut key, mut value) = (String::new(), Vec::new());
    for number in 0..records {
        key.clear();
        value.clear();
        let timestamp = write(number, &mut key, &mut value);
        let key = (!key.is_empty()).then_some(key.as_bytes());
        let in_turn = (number % partitions as u64) as i32;
        let partition = Some(key.map_or(in_turn, |key| partition_of(key, partitions)));
        producer
            .send(Outgoing { topic, partition, timestamp, key, value: Some(&value), headers: &headers })
            .with_context(|| format!("loading record {number}"))?;
    }
    producer.commit(&[]).context("loading the last records")
}

#[cfg(test)]
pub(super) mod tests {
    use millstream::broker::{BrokerError, Committed, TopicPartition};

    use super::*;
    use crate::inputs::{AUCTIONS, BIDS, Input, MEASUREMENTS, ROWS, SHUFFLED, VIEWS, ZIPF_BIDS};
    use crate::parameters::Sizes;

    type Written = (i32, Vec<u8>, Vec<u8>, i64);

    /// Keeps what is sent; `committed` of it is durable.
    #[derive(Default)]
    pub(in crate::inputs) struct Log {
        pub(in crate::inputs) sent: Vec<Written>,
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
            let bytes = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
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

    const SIZES: Sizes = Sizes { records: 10_001, keys: 10_000, partitions: 4, value_size: None };

    fn loaded(input: &Input) -> Log {
        let mut log = Log::default();
        (input.load)(&mut log, &SIZES).unwrap();
        assert_eq!(log.committed as u64, (input.records)(&SIZES), "{}", input.name);
        log
    }

    #[test]
    fn two_loads_are_equal_and_spread_over_all_partitions() {
        for input in [&BIDS, &ZIPF_BIDS, &AUCTIONS, &VIEWS, &ROWS, &MEASUREMENTS, &SHUFFLED] {
            let (one, other) = (loaded(input), loaded(input));
            assert!(one.sent == other.sent, "{}", input.name);
            for partition in 0..4 {
                let its: Vec<_> = one.sent.iter().filter(|(p, ..)| *p == partition).collect();
                let share = its.len() as f64 / one.sent.len() as f64;
                assert!((0.15..0.45).contains(&share), "{}: {share}", input.name);
                assert!(its.iter().all(|(_, key, ..)| key.is_empty() || partition_of(key, 4) == partition));
            }
            assert!(one.sent.is_sorted_by_key(|(.., timestamp)| *timestamp), "{}", input.name);
        }
    }

    #[test]
    fn views_go_as_fast_as_bids_and_auctions_come_before_them() {
        let (bids, views, auctions) = (loaded(&BIDS), loaded(&VIEWS), loaded(&AUCTIONS));
        assert_eq!(bids.sent[0].3, views.sent[0].3);
        assert_eq!(bids.sent.last().unwrap().3, views.sent.last().unwrap().3);
        assert!(auctions.sent.iter().all(|(.., time)| *time < bids.sent[0].3));
        assert!(auctions.sent.iter().all(|(_, _, value, _)| value.len() == 66));
        assert!(views.sent.iter().all(|(_, _, value, _)| value.len() == 24));
    }
}
