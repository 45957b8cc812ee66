use millstream::prelude::*;

use super::bands::{Bands, count_distinct, counted};
use super::output::{Output, day, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// Of a day: bids, and different bidders and auctions.
#[derive(Clone, Copy)]
pub(super) struct Report {
    bids: Bands,
    bidders: Bands,
    auctions: Bands,
}

fields!(Report { bids, bidders, auctions });

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let bids = b.stream(&nexmark.bids());
    let by_auction = bids.map_values(|bid| counted(bid.price, bid.date_time)).group_by_key();
    let by_bidder = bids
        .map(|_, bid| (bid.bidder, counted(bid.price, bid.date_time)))
        .repartition(Topic::new("by-bidder", Be64, Binary))
        .group_by_key();
    let auctions = count_distinct(&by_auction, "auctions", |_| 0);
    let bidders = count_distinct(&by_bidder, "bidders", |_| 0);
    auctions
        .join(&bidders, |auctions, bidders| Report {
            bids: auctions.bids,
            bidders: bidders.distinct,
            auctions: auctions.distinct,
        })
        .to_stream()
        .to(&topic(nexmark));
}

/// Reports by the day's begin; there is one group of each day.
fn topic(nexmark: &Nexmark) -> Topic<(i64, Timestamp), Report> {
    nexmark.output("q15", Binary, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<(i64, Timestamp), Report> {
    Output::updated(topic(nexmark), |(_, start), report| {
        vec![row((day(*start), report.bids.columns(), report.bidders.columns(), report.auctions.columns()))]
    })
}
