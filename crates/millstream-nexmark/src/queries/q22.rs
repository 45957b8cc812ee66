use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// A bid with the folders of its URL, counted from the host on.
#[derive(Clone)]
pub(super) struct Folders {
    bidder: i64,
    price: i64,
    channel: String,
    first: String,
    second: String,
    third: String,
}

fields!(Folders { bidder, price, channel, first, second, third });

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids())
        .map_values(|bid| {
            let mut parts = bid.url.split('/').skip(3);
            let mut folder = || parts.next().unwrap_or_default().to_owned();
            let (first, second, third) = (folder(), folder(), folder());
            Folders { bidder: bid.bidder, price: bid.price, channel: bid.channel, first, second, third }
        })
        .to(&topic(nexmark));
}

/// By auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, Folders> {
    nexmark.output("q22", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Folders> {
    Output::appended(topic(nexmark), |auction, f| {
        vec![row((auction, f.bidder, f.price, &f.channel, &f.first, &f.second, &f.third))]
    })
}
