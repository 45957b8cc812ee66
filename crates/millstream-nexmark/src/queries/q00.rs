use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::Binary;
use crate::model::Bid;
use crate::nexmark::Nexmark;

/// Measures what reading and writing alone cost.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids()).to(&topic(nexmark));
}

fn topic(nexmark: &Nexmark) -> Topic<i64, Bid> {
    nexmark.output("q0", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Bid> {
    Output::appended(topic(nexmark), |_, bid| {
        vec![row((bid.auction, bid.bidder, bid.price, &bid.channel, &bid.url, bid.date_time, &bid.extra))]
    })
}
