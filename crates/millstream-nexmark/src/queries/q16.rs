use millstream::prelude::*;

use super::bands::{Bands, count_distinct, counted};
use super::output::{Output, day, row};
use crate::binary::{Binary, fields};
use crate::nexmark::Nexmark;

/// Of a channel's day: bids, different bidders and auctions, and the last minute with a bid.
#[derive(Clone, Copy)]
pub(super) struct Report {
    minute: i64,
    bids: Bands,
    bidders: Bands,
    auctions: Bands,
}

fields!(Report { minute, bids, bidders, auctions });

pub(super) fn define(b: &TopologyBuilder, nexmark: &Nexmark) {
    let bids = b.stream(&nexmark.bids());
    let by_auction = bids
        .map(|auction, bid| ((bid.channel, auction), counted(bid.price, bid.date_time)))
        .repartition(Topic::new("by-auction", Binary, Binary))
        .group_by_key();
    let by_bidder = bids
        .map(|_, bid| ((bid.channel, bid.bidder), counted(bid.price, bid.date_time)))
        .repartition(Topic::new("by-bidder", Binary, Binary))
        .group_by_key();
    let auctions = count_distinct(&by_auction, "auctions", |(channel, _): &(String, i64)| channel.clone());
    let bidders = count_distinct(&by_bidder, "bidders", |(channel, _): &(String, i64)| channel.clone());
    auctions
        .join(&bidders, |auctions, bidders| Report {
            minute: auctions.minute,
            bids: auctions.bids,
            bidders: bidders.distinct,
            auctions: auctions.distinct,
        })
        .to_stream()
        .to(&topic(nexmark));
}

/// Reports by channel and the day's begin.
fn topic(nexmark: &Nexmark) -> Topic<(String, Timestamp), Report> {
    nexmark.output("q16", Binary, Binary)
}

pub(super) fn output(nexmark: &Nexmark) -> Output<(String, Timestamp), Report> {
    Output::updated(topic(nexmark), |(channel, start), report| {
        let minute = format!("{:02}:{:02}", report.minute / 60, report.minute % 60);
        vec![row((
            channel,
            day(*start),
            minute,
            report.bids.columns(),
            report.bidders.columns(),
            report.auctions.columns(),
        ))]
    })
}
