//! What a run wrote, in two numbers that are equal for equal outputs.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use foldhash::quality::FixedState;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// How long a topic may take to give its next record.
const LIMIT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(100);

/// A topic's committed records, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outputs {
    pub(crate) records: u64,
    /// The sum of the records' hashes: key, value and timestamp.
    pub(crate) digest: u64,
}

impl Outputs {
    fn add(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<i64>) {
        self.records += 1;
        self.digest = self.digest.wrapping_add(FixedState::default().hash_one((key, value, timestamp)));
    }
}

/// Reads a whole topic, `read_committed`.
pub(crate) fn read(bootstrap_servers: &str, topic: &str, partitions: i32) -> Result<Outputs> {
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
    let (mut outputs, mut ended, mut last) = (Outputs::default(), BTreeSet::new(), Instant::now());
    while ended.len() < partitions as usize {
        match consumer.poll(POLL) {
            Some(Ok(message)) => outputs.add(message.key(), message.payload(), message.timestamp().to_millis()),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                ended.insert(partition);
            }
            Some(Err(error)) => return Err(error).with_context(|| format!("reading {topic}")),
            None if last.elapsed() < LIMIT => continue,
            None => bail!("{topic}: nothing to read for {} s, and the end is not reached", LIMIT.as_secs()),
        }
        last = Instant::now();
    }
    Ok(outputs)
}

#[cfg(test)]
mod tests {
    use super::Outputs;

    type Written = (Option<&'static [u8]>, Option<&'static [u8]>, Option<i64>);

    fn of(records: &[Written]) -> Outputs {
        let mut outputs = Outputs::default();
        records.iter().for_each(|(key, value, timestamp)| outputs.add(*key, *value, *timestamp));
        outputs
    }

    #[test]
    fn outputs_are_equal_in_any_order_and_differ_by_any_part_of_a_record() {
        let (a, b): (Written, Written) = ((Some(b"a"), Some(b"1"), Some(5)), (Some(b"b"), None, Some(6)));
        assert_eq!(of(&[a, b]), of(&[b, a]));
        assert_ne!(of(&[a, b]), of(&[a, a]));
        for other in [(Some(&b"x"[..]), a.1, a.2), (a.0, Some(b"2"), a.2), (a.0, None, a.2), (a.0, a.1, Some(7))] {
            assert_ne!(of(&[other, b]), of(&[a, b]), "{other:?}");
        }
        // Where the key ends and the value begins tells, too.
        assert_ne!(of(&[(Some(b"ab"), Some(b"c"), None)]), of(&[(Some(b"a"), Some(b"bc"), None)]));
    }
}
