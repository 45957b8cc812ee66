use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::Binary;
use crate::model::Bid;
use crate::nexmark::Nexmark;

/// Who bid on what.
type Bidding = (i64, i64);

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids())
        .group_by(Topic::new("by-bidding", Binary, Binary), |auction, bid: &Bid| (bid.bidder, *auction))
        .emit(Emit::OnCommit)
        .reduce(Store::new("last", Binary, Binary), |last, bid| if is_later(&bid, last) { bid } else { last.clone() })
        .to_stream()
        .to(&topic(nexmark));
}

/// Of bids of one time the highest is taken.
fn is_later(bid: &Bid, last: &Bid) -> bool {
    (bid.date_time, bid.price, &bid.extra) > (last.date_time, last.price, &last.extra)
}

fn topic(nexmark: &Nexmark) -> Topic<Bidding, Bid> {
    nexmark.output("q18", Binary, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<Bidding, Bid> {
    Output::updated(topic(nexmark), |_, bid| {
        vec![row((bid.auction, bid.bidder, bid.price, &bid.channel, &bid.url, bid.date_time, &bid.extra))]
    })
}
