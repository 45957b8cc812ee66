use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::Binary;
use crate::model::Bid;
use crate::nexmark::Nexmark;

/// Euros for dollars, in thousandths of a cent: exact, as the suite's `DECIMAL(23, 3)`.
pub(super) const EURO_THOUSANDTHS: i64 = 908;

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids()).map_values(|bid| Bid { price: bid.price * EURO_THOUSANDTHS, ..bid }).to(&topic(nexmark));
}

fn topic(nexmark: &Nexmark) -> Topic<i64, Bid> {
    nexmark.output("q1", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Bid> {
    Output::appended(topic(nexmark), |_, bid| {
        vec![row((bid.auction, bid.bidder, bid.price, bid.date_time, &bid.extra))]
    })
}
