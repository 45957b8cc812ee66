use std::time::Duration;

use millstream::prelude::*;

use super::DAY_MS;
use super::bands::Bands;
use super::output::{Output, day, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// Prices of an auction's day.
#[derive(Clone, Copy)]
pub(super) struct Prices {
    bids: Bands,
    min: i64,
    max: i64,
    sum: i64,
}

fields!(Prices { bids, min, max, sum });

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let none = || Prices { bids: Bands::default(), min: i64::MAX, max: 0, sum: 0 };
    b.stream(&nexmark.bids())
        .map_values(|bid| bid.price)
        .group_by_key()
        .windowed_by(TimeWindows::tumbling(Duration::from_millis(DAY_MS as u64)))
        .emit(Emit::OnCommit)
        .aggregate(Store::new("prices", Be64, Binary), none, |_, price, prices| {
            prices.bids.count(price);
            (prices.min, prices.max) = (prices.min.min(price), prices.max.max(price));
            prices.sum += price;
        })
        .to_stream()
        .to(&topic(nexmark));
}

/// By auction and day.
fn topic(nexmark: &Nexmark) -> Topic<Windowed<i64>, Prices> {
    nexmark.output("q17", TimeWindowed::new(Be64, DAY_MS), Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<Windowed<i64>, Prices> {
    Output::updated(topic(nexmark), |key, prices| {
        let average = prices.sum / prices.bids.total;
        vec![row((key.key, day(key.window.start), prices.bids.columns(), prices.min, prices.max, average, prices.sum))]
    })
}
