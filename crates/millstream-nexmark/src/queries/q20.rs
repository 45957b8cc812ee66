use std::rc::Rc;

use millstream::prelude::*;

use super::output::{Output, row};
use crate::binary::Binary;
use crate::model::{Auction, Bid};
use crate::nexmark::Nexmark;

/// Auctions are shared, not copied, by the bids that they meet.
type Expanded = (Rc<Bid>, Rc<Auction>);

/// A bid may come before its auction; they are never further apart than the longest auction.
pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let auctions = b.stream(&nexmark.auctions()).filter(|_, auction| auction.category == 10).map_values(Rc::new);
    let near = JoinWindows::of_time_difference(nexmark.longest_auction).grace(nexmark.disorder);
    b.stream(&nexmark.bids())
        .map_values(Rc::new)
        .join_windowed(&auctions, near, JoinStores::new("expanded", Be64, Binary, Binary), |bid, auction| {
            (bid.clone(), auction.clone())
        })
        .to(&topic(nexmark));
}

/// By auction.
fn topic(nexmark: &Nexmark) -> Topic<i64, Expanded> {
    nexmark.output("q20", Be64, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<i64, Expanded> {
    Output::appended(topic(nexmark), |_, (bid, a)| {
        let bid = (bid.auction, bid.bidder, bid.price, &bid.channel, &bid.url, bid.date_time, &bid.extra);
        let auction = (&a.item_name, &a.description, a.initial_bid, a.reserve, a.date_time, a.expires);
        vec![row((bid, auction, a.seller, a.category, &a.extra))]
    })
}
