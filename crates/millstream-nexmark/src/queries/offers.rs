use std::time::Duration;

use millstream::prelude::*;

use crate::binary::{Binary, Field};
use crate::model::{Auction, Bid};
use crate::nexmark::Nexmark;

/// The bids that were made while their auctions were open, by auction, each with it: of both what is asked for. Used by q4, q6 and q9.
///
/// Bids and auctions wait for each other in windows of the longest auction.
pub(super) fn offers<A, P>(
    b: &TopologyBuilder,
    nexmark: &Nexmark,
    of_auction: impl Fn(Auction) -> A + 'static,
    of_bid: impl Fn(Bid) -> P + 'static,
) -> Stream<i64, (A, P)>
where
    A: Field + Clone + 'static,
    P: Field + Clone + 'static,
{
    let auctions = b.stream(&nexmark.auctions()).map_values(move |auction| (auction.expires, of_auction(auction)));
    let bids = b.stream(&nexmark.bids()).map_values(move |bid| (bid.date_time, of_bid(bid)));
    let while_open =
        JoinWindows::of_time_difference(Duration::ZERO).after(nexmark.longest_auction).grace(nexmark.disorder);
    let stores = JoinStores::new("offers", Be64, Binary, Binary);
    auctions
        .join_windowed(&bids, while_open, stores, |(expires, auction), (time, bid)| {
            (time <= expires).then(|| (auction.clone(), bid.clone()))
        })
        .flat_map_values(|offer| offer)
}
