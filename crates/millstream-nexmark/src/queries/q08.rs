use std::time::Duration;

use millstream::prelude::*;

use super::WINDOW_MS;
use super::output::{Output, row};
use crate::binary::Binary;
use crate::nexmark::Nexmark;

/// Of a seller's auctions in a window one is enough; it meets the person, if that one came in the same window.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let size = Duration::from_millis(WINDOW_MS as u64);
    let people = b.stream(&nexmark.people()).map_values(|person| (person.name, window_of(person.date_time)));
    let sales = b
        .stream(&nexmark.auctions())
        .map(|_, auction| (auction.seller, window_of(auction.date_time)))
        .repartition(Topic::new("by-seller", Be64, Be64))
        .deduplicate(Store::new("sellers", Binary, Be64), |seller, window| (*seller, *window), size + nexmark.disorder);
    let close = JoinWindows::of_time_difference(size).grace(nexmark.disorder);
    people
        .join_windowed(&sales, close, JoinStores::new("new-sellers", Be64, Binary, Be64), |(name, came), sold| {
            (came == sold).then(|| (name.clone(), *came))
        })
        .flat_map_values(|new| new)
        .to(&topic(nexmark));
}

/// The start of the window of that time.
fn window_of(time: Timestamp) -> Timestamp {
    time - time.rem_euclid(WINDOW_MS)
}

/// Names and windows by person.
fn topic(nexmark: &Nexmark) -> Topic<i64, (String, Timestamp)> {
    nexmark.output("q8", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, (String, Timestamp)> {
    Output::appended(topic(nexmark), |person, (name, window)| vec![row((person, name, window))])
}
