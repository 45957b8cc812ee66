use std::time::Duration;

use millstream::prelude::*;

use super::WINDOW_MS;
use super::output::{Output, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// What is told of a highest bid.
#[derive(Clone)]
pub(super) struct Highest {
    auction: i64,
    bidder: i64,
    price: i64,
    date_time: Timestamp,
    extra: String,
}

fields!(Highest { auction, bidder, price, date_time, extra });

/// The highest bids of each auction and window first, so that few bids have to meet when a window is closed.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let size = Duration::from_millis(WINDOW_MS as u64);
    let by_auction = b
        .stream(&nexmark.bids())
        .map_values(|bid| Highest {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            date_time: bid.date_time,
            extra: bid.extra,
        })
        .group_by_key()
        .windowed_by(TimeWindows::tumbling(size))
        .emit(Emit::OnWindowClose)
        .aggregate(Store::new("by-auction", Be64, Binary), Vec::new, |_, bid, highest| add(highest, bid));
    by_auction
        .to_stream()
        .map(|key, highest| (key.window.end, highest.unwrap_or_default()))
        .repartition(Topic::new("by-window", Be64, Binary))
        .group_by_key()
        .emit(Emit::OnCommit)
        .aggregate(Store::new("highest", Be64, Binary).time_to_live(10 * size), Vec::new, |_, bids, highest| {
            bids.into_iter().for_each(|bid| add(highest, bid));
        })
        .to_stream()
        .to(&topic(nexmark));
}

/// Keeps all that are highest.
fn add(highest: &mut Vec<Highest>, bid: Highest) {
    let price = highest.first().map_or(0, |first| first.price);
    if bid.price > price {
        highest.clear();
    }
    if bid.price >= price {
        highest.push(bid);
    }
}

/// The highest bids by their window's end.
fn topic(nexmark: &Nexmark) -> Topic<i64, Vec<Highest>> {
    nexmark.output("q7", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Vec<Highest>> {
    Output::updated(topic(nexmark), |_, highest| {
        highest.iter().map(|bid| row((bid.auction, bid.bidder, bid.price, bid.date_time, &bid.extra))).collect()
    })
}
