use std::time::Duration;

use millstream::prelude::*;

use super::WINDOW_MS;
use super::output::{Output, row};
use crate::nexmark::Nexmark;

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let gap = Duration::from_millis(WINDOW_MS as u64);
    b.stream(&nexmark.bids())
        .map(|_, bid| (bid.bidder, ()))
        .repartition(Topic::new("by-bidder", Be64, Unit))
        .group_by_key()
        .windowed_by(SessionWindows::inactivity_gap(gap))
        .emit(Emit::OnWindowClose)
        .count(Store::new("sessions", Be64, Be64))
        .to_stream()
        .to(&topic(nexmark));
}

/// Counts by bidder and session; a session ends with its last bid.
fn topic(nexmark: &Nexmark) -> Topic<Windowed<i64>, i64> {
    nexmark.output("q11", SessionWindowed(Be64), Be64)
}

/// The suite's sessions end with the gap.
pub(super) fn output(nexmark: &Nexmark) -> Output<Windowed<i64>, i64> {
    Output::appended(topic(nexmark), |session, bids| {
        vec![row((session.key, bids, session.window.start, session.window.end + WINDOW_MS))]
    })
}
