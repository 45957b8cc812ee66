use std::time::Duration;

use millstream::prelude::*;

use super::WINDOW_MS;
use super::output::{Output, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// How many bids an auction had.
#[derive(Clone, Copy)]
pub(super) struct Count {
    auction: i64,
    bids: i64,
}

fields!(Count { auction, bids });

const HOP_MS: u64 = 2_000;

/// Counts by auction and window; when a window is closed, the counts of all auctions meet, and the largest ones stay.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let size = Duration::from_millis(WINDOW_MS as u64);
    let counts = b
        .stream(&nexmark.bids())
        .group_by_key()
        .windowed_by(TimeWindows::hopping(size, Duration::from_millis(HOP_MS)))
        .emit(Emit::OnWindowClose)
        .count(Store::new("counts", Be64, Be64));
    counts
        .to_stream()
        .map(|key, bids| (key.window.end, Count { auction: key.key, bids: bids.unwrap_or(0) }))
        .repartition(Topic::new("by-window", Be64, Binary))
        .group_by_key()
        .emit(Emit::OnCommit)
        .aggregate(Store::new("hottest", Be64, Binary).time_to_live(10 * size), Vec::new, |_, count: Count, hottest| {
            let most = hottest.first().map_or(0, |first: &Count| first.bids);
            if count.bids > most {
                hottest.clear();
            }
            if count.bids >= most {
                hottest.push(count);
            }
        })
        .to_stream()
        .to(&topic(nexmark));
}

/// The hottest auctions by their window's end.
fn topic(nexmark: &Nexmark) -> Topic<i64, Vec<Count>> {
    nexmark.output("q5", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Vec<Count>> {
    Output::updated(topic(nexmark), |end, hottest| {
        hottest.iter().map(|count| row((count.auction, count.bids, end))).collect()
    })
}
