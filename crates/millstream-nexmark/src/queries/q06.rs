use millstream::prelude::*;

use super::offers::offers;
use super::output::{Output, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// A bid that wins so far.
#[derive(Clone, Copy)]
pub(super) struct Winning {
    auction: i64,
    price: i64,
    date_time: Timestamp,
}

fields!(Winning { auction, price, date_time });

/// The winning bid may change: the table of a seller's last ones takes out what it put in.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let winning = |bid: crate::model::Bid| Winning { auction: bid.auction, price: bid.price, date_time: bid.date_time };
    offers(b, nexmark, |auction| auction.seller, winning)
        .group_by_key()
        .emit(Emit::OnCommit)
        .reduce(Store::new("winning", Be64, Binary), |best, offer| if beats(&offer.1, &best.1) { offer } else { *best })
        .group_by(Topic::new("by-seller", Be64, Binary), |_, offer| *offer)
        .top_k(Store::new("last-ten", Be64, Binary), 10, |won: &Winning| (won.date_time, won.price, won.auction))
        .map_values(|last| last.iter().map(|won| won.price).sum::<i64>() / last.len().max(1) as i64)
        .to_stream()
        .to(&topic(nexmark));
}

fn beats(offer: &Winning, best: &Winning) -> bool {
    offer.price > best.price || offer.price == best.price && offer.date_time < best.date_time
}

/// Averages by seller, rounded down.
fn topic(nexmark: &Nexmark) -> Topic<i64, i64> {
    nexmark.output("q6", Be64, Be64)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, i64> {
    Output::updated(topic(nexmark), |seller, average| vec![row((seller, average))])
}
