use std::cmp::Reverse;
use std::rc::Rc;

use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::Binary;
use crate::model::Bid;
use crate::nexmark::Nexmark;

const HIGHEST: usize = 10;

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids())
        .map_values(Rc::new)
        .group_by_key()
        .emit(Emit::OnCommit)
        .aggregate(Store::new("highest", Be64, Binary), Vec::new, |_, bid, highest| add(highest, bid))
        .to_stream()
        .to(&topic(nexmark));
}

/// Keeps the highest, the highest of all first.
fn add(highest: &mut Vec<Rc<Bid>>, bid: Rc<Bid>) {
    let place = highest.partition_point(|other| rank(other) < rank(&bid));
    if place < HIGHEST {
        highest.truncate(HIGHEST - 1);
        highest.insert(place, bid);
    }
}

/// Of equal prices the earliest is first.
fn rank(bid: &Bid) -> (Reverse<i64>, Timestamp, i64, &str) {
    (Reverse(bid.price), bid.date_time, bid.bidder, &bid.extra)
}

/// The highest bids by auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, Vec<Rc<Bid>>> {
    nexmark.output("q19", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Vec<Rc<Bid>>> {
    Output::updated(topic(nexmark), |_, highest| {
        let rows = highest.iter().zip(1..).map(|(bid, rank): (_, i64)| {
            row((bid.auction, bid.bidder, bid.price, &bid.channel, &bid.url, bid.date_time, &bid.extra, rank))
        });
        rows.collect()
    })
}
