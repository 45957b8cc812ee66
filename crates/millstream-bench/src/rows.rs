//! The rows of a changelog: each key once.

use std::fmt::Write;

use anyhow::{Context, Result};
use millstream::broker::{Outgoing, Producer, TopicId};
use millstream::partitioner::partition_of;
use millstream::record::{Headers, Timestamp};

use crate::bids::mixed;

/// 2026-01-01, the time of all rows.
const TIMESTAMP: Timestamp = 1_767_225_600_000;

/// Writes row `number` over what `key` (then 16 bytes) and `value` (then 64) hold; no two numbers have the same key.
fn write_row(number: u64, key: &mut String, value: &mut String) {
    key.clear();
    value.clear();
    let random = mixed(number);
    // Writing into a String cannot fail.
    let _ = write!(key, "{random:016x}");
    for turn in 1..=4 {
        let _ = write!(value, "{:016x}", random.rotate_left(turn * 13));
    }
}

/// Writes `keys` rows to the first topic of `producer`, each to its key's partition, and waits until they are there.
pub(crate) fn load_rows(producer: &mut dyn Producer, keys: u64) -> Result<()> {
    let topic = TopicId(0);
    let partitions = producer.partitions(topic).context("asking for the changelog's partitions")?;
    let headers = Headers::default();
    let (mut key, mut value) = (String::new(), String::new());
    for number in 0..keys {
        write_row(number, &mut key, &mut value);
        let (key, value) = (key.as_bytes(), value.as_bytes());
        let partition = Some(partition_of(key, partitions));
        let timestamp = TIMESTAMP;
        producer
            .send(Outgoing { topic, partition, timestamp, key: Some(key), value: Some(value), headers: &headers })
            .with_context(|| format!("loading row {number}"))?;
    }
    producer.commit(&[]).context("loading the last rows")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::write_row;

    #[test]
    fn rows_have_keys_of_16_bytes_each_its_own_and_values_of_64() {
        let (mut key, mut value) = ("left over".to_owned(), "left over".to_owned());
        let mut keys = HashSet::new();
        for number in 0..100_000 {
            write_row(number, &mut key, &mut value);
            assert_eq!((key.len(), value.len()), (16, 64));
            assert!(keys.insert(key.clone()), "{key}");
        }
    }
}
