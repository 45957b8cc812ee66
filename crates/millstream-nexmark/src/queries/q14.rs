use millstream::prelude::*;

use super::output::{Output, row};
use super::q01::EURO_THOUSANDTHS;
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// What is worked out of a bid.
#[derive(Clone)]
pub(super) struct Worked {
    bidder: i64,
    /// In thousandths of a cent.
    price: i64,
    time_of_day: String,
    date_time: Timestamp,
    extra: String,
    /// How often `c` is in it.
    cs: i64,
}

fields!(Worked { bidder, price, time_of_day, date_time, extra, cs });

const HOUR_MS: i64 = 3_600_000;

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    b.stream(&nexmark.bids())
        .filter(|_, bid| {
            let price = bid.price * EURO_THOUSANDTHS;
            price > 1_000_000_000 && price < 50_000_000_000
        })
        .map_values(|bid| Worked {
            bidder: bid.bidder,
            price: bid.price * EURO_THOUSANDTHS,
            time_of_day: time_of_day(bid.date_time).to_owned(),
            date_time: bid.date_time,
            cs: bid.extra.bytes().filter(|byte| *byte == b'c').count() as i64,
            extra: bid.extra,
        })
        .to(&topic(nexmark));
}

fn time_of_day(time: Timestamp) -> &'static str {
    match time.div_euclid(HOUR_MS).rem_euclid(24) {
        8..=18 => "dayTime",
        0..=6 | 20..=23 => "nightTime",
        _ => "otherTime",
    }
}

/// By auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, Worked> {
    nexmark.output("q14", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Worked> {
    Output::appended(topic(nexmark), |auction, w| {
        vec![row((auction, w.bidder, w.price, &w.time_of_day, w.date_time, &w.extra, w.cs))]
    })
}
