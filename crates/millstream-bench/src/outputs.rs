//! What a run wrote, in two numbers that are equal for equal outputs.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foldhash::quality::FixedState;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::workloads::Compared;

/// How long a topic may take to give its next record.
const LIMIT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(100);

/// A topic's committed records, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outputs {
    pub(crate) records: u64,
    /// The sum of the hashes of what is compared of each record.
    pub(crate) digest: u64,
}

type Record<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, Option<i64>);

/// Adds up what is compared.
struct Digest {
    compared: Compared,
    outputs: Outputs,
    /// The hash of the last record of each key, where it is those that are compared.
    last: HashMap<Option<Vec<u8>>, u64>,
}

impl Digest {
    fn new(compared: Compared) -> Self {
        Digest { compared, outputs: Outputs::default(), last: HashMap::new() }
    }

    fn add(&mut self, (key, value, timestamp): Record<'_>) {
        let timestamp = timestamp.filter(|_| self.compared != Compared::KeysAndValues);
        let hash = FixedState::default().hash_one((key, value, timestamp));
        let before = match self.compared {
            Compared::LastOfKeys => self.last.insert(key.map(<[u8]>::to_vec), hash).unwrap_or(0),
            Compared::Records | Compared::KeysAndValues => 0,
        };
        self.outputs.records += 1;
        self.outputs.digest = self.outputs.digest.wrapping_sub(before).wrapping_add(hash);
    }
}

/// Reads a whole topic, `read_committed`.
pub(crate) fn read(bootstrap_servers: &str, topic: &str, partitions: i32, compared: Compared) -> Result<Outputs> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap_servers)
        .set("group.id", "compare-outputs")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let (mut digest, mut ended, mut last) = (Digest::new(compared), BTreeSet::new(), Instant::now());
    while ended.len() < partitions as usize {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                digest.add((message.key(), message.payload(), message.timestamp().to_millis()));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            Some(Err(error)) => return Err(error).with_context(|| format!("reading {topic}")),
            None if last.elapsed() < LIMIT => continue,
            None => bail!("{topic}: nothing to read for {} s, and the end is not reached", LIMIT.as_secs()),
        }
        last = Instant::now();
    }
    Ok(digest.outputs)
}

#[cfg(test)]
mod tests {
    use super::{Digest, Outputs, Record};
    use crate::workloads::Compared;

    fn of(compared: Compared, records: &[Record<'_>]) -> Outputs {
        let mut digest = Digest::new(compared);
        records.iter().for_each(|record| digest.add(*record));
        digest.outputs
    }

    const A: Record<'static> = (Some(b"a"), Some(b"1"), Some(5));
    const B: Record<'static> = (Some(b"b"), None, Some(6));

    #[test]
    fn outputs_are_equal_in_any_order_and_differ_by_any_part_of_a_record() {
        let of = |records: &[Record<'_>]| of(Compared::Records, records);
        assert_eq!(of(&[A, B]), of(&[B, A]));
        assert_ne!(of(&[A, B]), of(&[A, A]));
        for other in [(Some(&b"x"[..]), A.1, A.2), (A.0, Some(b"2"), A.2), (A.0, None, A.2), (A.0, A.1, Some(7))] {
            assert_ne!(of(&[other, B]), of(&[A, B]), "{other:?}");
        }
        // Where the key ends and the value begins tells, too.
        assert_ne!(of(&[(Some(b"ab"), Some(b"c"), None)]), of(&[(Some(b"a"), Some(b"bc"), None)]));
    }

    #[test]
    fn timestamps_may_be_left_out() {
        let of = |records: &[Record<'_>]| of(Compared::KeysAndValues, records);
        assert_eq!(of(&[A, B]), of(&[(A.0, A.1, Some(9)), B]));
        assert_ne!(of(&[A, B]), of(&[(A.0, Some(b"2"), A.2), B]));
    }

    #[test]
    fn of_last_records_the_way_there_does_not_tell_but_its_length() {
        let of = |values: &[&[u8]]| {
            let records: Vec<Record<'_>> =
                values.iter().map(|value| (Some(&b"a"[..]), Some(*value), Some(5))).collect();
            of(Compared::LastOfKeys, &[&records[..], &[B]].concat())
        };
        assert_eq!(of(&[b"1", b"2", b"3"]), of(&[b"2", b"1", b"3"]));
        assert_ne!(of(&[b"1", b"2", b"3"]), of(&[b"1", b"3", b"2"]));
        assert_ne!(of(&[b"1", b"2", b"3"]), of(&[b"1", b"3"]));
    }
}
