use millstream::prelude::*;

use super::offers::offers;
use super::output::{Output, row};
use crate::binary::Binary;
use crate::nexmark::Nexmark;

/// When an auction's highest bid rises, its category's average loses the one before.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let final_price = offers(b, nexmark, |auction| auction.category, |bid| bid.price)
        .group_by_key()
        .emit(Emit::OnCommit)
        .reduce(Store::new("final-prices", Be64, Binary), |best, offer| if offer.1 > best.1 { offer } else { *best });
    final_price
        .group_by(Topic::new("by-category", Be64, Be64), |_, offer| *offer)
        .aggregate(
            Store::new("categories", Be64, Binary),
            || (0, 0),
            |_, price, (sum, count)| (*sum, *count) = (*sum + price, *count + 1),
            |_, price, (sum, count)| (*sum, *count) = (*sum - price, *count - 1),
        )
        .map_values(|(sum, count): &(i64, i64)| sum.checked_div(*count).unwrap_or(0))
        .to_stream()
        .to(&topic(nexmark));
}

/// Averages by category, rounded down.
fn topic(nexmark: &Nexmark) -> Topic<i64, i64> {
    nexmark.output("q4", Be64, Be64)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, i64> {
    Output::updated(topic(nexmark), |category, average| vec![row((category, average))])
}
