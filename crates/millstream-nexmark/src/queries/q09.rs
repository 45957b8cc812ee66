use std::rc::Rc;

use millstream::prelude::*;

use super::offers::offers;
use super::output::{Output, row};
use crate::binary::Binary;
use crate::model::{Auction, Bid};
use crate::nexmark::Nexmark;

/// Auctions are shared, not copied, by the bids that they meet.
type Offer = (Rc<Auction>, Rc<Bid>);

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    offers(b, nexmark, Rc::new, Rc::new)
        .group_by_key()
        .emit(Emit::OnCommit)
        .reduce(
            Store::new("winning", Be64, Binary),
            |best, offer| if beats(&offer.1, &best.1) { offer } else { best.clone() },
        )
        .to_stream()
        .to(&topic(nexmark));
}

/// The highest wins, of equal ones the earliest.
fn beats(offer: &Bid, best: &Bid) -> bool {
    let rank = |bid: &Bid| (bid.price, -bid.date_time, -bid.bidder);
    (rank(offer), &best.extra) > (rank(best), &offer.extra)
}

/// Winning bids by auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, Offer> {
    nexmark.output("q9", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Offer> {
    Output::updated(topic(nexmark), |_, (a, bid)| {
        let auction = (a.id, &a.item_name, &a.description, a.initial_bid, a.reserve, a.date_time, a.expires);
        let bid = (bid.auction, bid.bidder, bid.price, bid.date_time, &bid.extra);
        vec![row((auction, a.seller, a.category, &a.extra, bid))]
    })
}
