use anyhow::Result;
use millstream::broker::Producer;

use super::bids::{mixed, time_of};
use super::load::load_all;
use crate::parameters::Sizes;

/// How many bytes a record has, if nothing else is said: as ShuffleBench's.
const SIZE: usize = 1024;

/// Records without keys, of random bytes.
pub(super) fn load(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    load_all(producer, sizes.records, |number, _, value| {
        let mut random = mixed(number);
        while value.len() < sizes.value_size.unwrap_or(SIZE) {
            value.extend_from_slice(&random.to_be_bytes());
            random = mixed(random);
        }
        time_of(number)
    })
}
