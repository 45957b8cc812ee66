use millstream::prelude::*;

use super::output::{Output, row};
use crate::nexmark::Nexmark;

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids()).filter(|_, bid| bid.auction % 123 == 0).map_values(|bid| bid.price).to(&topic(nexmark));
}

/// Prices by auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, i64> {
    nexmark.output("q2", Be64, Be64)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, i64> {
    Output::appended(topic(nexmark), |auction, price| vec![row((auction, price))])
}
