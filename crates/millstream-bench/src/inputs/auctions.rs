use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use millstream::broker::Producer;

use super::bids::{AUCTIONS, START_MS};
use super::load::load_all;
use crate::parameters::Sizes;

/// Each auction once, a second before the first bid, with a value of 66 bytes.
pub(super) fn load(producer: &mut dyn Producer, _: &Sizes) -> Result<()> {
    load_all(producer, AUCTIONS, |number, key, value| {
        // Writing into memory cannot fail.
        let _ = write!(key, "{number}");
        let _ = write!(value, "{{\"seller\":{:055}}}", number % 1000);
        START_MS - 1000
    })
}
