use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Result;
use millstream::broker::Producer;

use super::bids::{AUCTIONS, mixed, time_of};
use super::load::load_all;
use crate::parameters::Sizes;

pub(super) const BIDS_PER_VIEW: u64 = 4;

/// Far from the numbers of bids: views have other auctions than the bids beside them.
const FIRST: u64 = 1 << 40;

/// Views of auctions, each equally probable, with values of 24 bytes, as fast as the bids go.
pub(super) fn load(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    load_all(producer, sizes.records.div_ceil(BIDS_PER_VIEW), |number, key, value| {
        // Writing into memory cannot fail.
        let _ = write!(key, "{}", mixed(FIRST + number) % AUCTIONS);
        let _ = write!(value, "view {number:019}");
        time_of(number * BIDS_PER_VIEW)
    })
}
