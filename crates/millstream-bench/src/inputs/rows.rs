//! The rows of a changelog: each key once.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use millstream::broker::Producer;
use millstream::record::Timestamp;

use super::bids::mixed;
use super::load::load_all;
use crate::parameters::Sizes;

/// 2026-01-01, the time of all rows.
const TIMESTAMP: Timestamp = 1_767_225_600_000;

pub(super) fn load(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    load_all(producer, sizes.keys, write_row)
}

/// Writes row `number` into `key` (then 16 bytes) and `value` (then 64); no two numbers have the same key.
fn write_row(number: u64, key: &mut String, value: &mut Vec<u8>) -> Timestamp {
    let random = mixed(number);
    // Writing into memory cannot fail.
    let _ = write!(key, "{random:016x}");
    for turn in 1..=4 {
        let _ = write!(value, "{:016x}", random.rotate_left(turn * 13));
    }
    TIMESTAMP
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::write_row;

    #[test]
    fn rows_have_keys_of_16_bytes_each_its_own_and_values_of_64() {
        let mut keys = HashSet::new();
        for number in 0..100_000 {
            let (mut key, mut value) = (String::new(), Vec::new());
            write_row(number, &mut key, &mut value);
            assert_eq!((key.len(), value.len()), (16, 64));
            assert!(keys.insert(key.clone()), "{key}");
        }
    }
}
