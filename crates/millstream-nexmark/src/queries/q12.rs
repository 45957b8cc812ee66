use std::time::Duration;

use millstream::prelude::*;

use super::WINDOW_MS;
use super::output::{Output, row};
use crate::nexmark::Nexmark;

/// A bid's time is when it is read. A service's clock is the machine's; in a check it is moved by hand.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let (size, clock) = (Duration::from_millis(WINDOW_MS as u64), nexmark.clock.clone());
    let bids = nexmark.bids().watermark(Watermark::monotonic()).timestamp_extractor(move |_, _, _| clock());
    b.stream(&bids)
        .map(|_, bid| (bid.bidder, ()))
        .repartition(Topic::new("by-bidder", Be64, Unit))
        .group_by_key()
        .windowed_by(TimeWindows::tumbling(size))
        .emit(Emit::OnWindowClose)
        .count(Store::new("counts", Be64, Be64))
        .to_stream()
        .to(&topic(nexmark));
}

/// Counts by bidder and window.
fn topic(nexmark: &Nexmark) -> Topic<Windowed<i64>, i64> {
    nexmark.output("q12", TimeWindowed::new(Be64, WINDOW_MS), Be64)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<Windowed<i64>, i64> {
    Output::appended(topic(nexmark), |key, bids| vec![row((key.key, bids, key.window.start, key.window.end))])
}
