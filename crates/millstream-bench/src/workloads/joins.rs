use std::sync::Arc;
use std::time::Duration;

use millstream::prelude::*;

use super::{Compared, STATEFUL, STORE, Workload};
use crate::inputs::{AUCTIONS, BIDS, VIEWS};

const DIFFERENCE: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(1);

/// The table is kept in a store without a changelog of its own, as its topic is it: so does Kafka Streams with
/// `topology.optimization`.
pub(super) static STREAM_TABLE_JOIN: Workload = Workload {
    name: "stream-table-join",
    about: "Each bid is joined with its auction, one of 100,000 in a table: the output has both values.",
    inputs: &[&BIDS, &AUCTIONS],
    contestants: STATEFUL,
    topology: |topics| {
        let bids = Topic::new(&*topics.inputs[0], Utf8, Bytes);
        let auctions = Topic::new(&*topics.inputs[1], Utf8, Bytes);
        let output = Topic::new(&*topics.output, Utf8, Bytes);
        Arc::new(move |b| {
            let auctions = b.table_from_changelog(&auctions, STORE);
            b.stream(&bids).join(&auctions, |bid: Vec<u8>, auction| [&bid[..], auction].concat()).to(&output)
        })
    },
    has_changelog: false,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};

pub(super) static STREAM_STREAM_JOIN: Workload = Workload {
    name: "stream-stream-join",
    about: "Each bid is joined with the views of its auction within a second before and after it (a view for each fourth \
            bid): the output has both values.",
    inputs: &[&BIDS, &VIEWS],
    topology: |topics| {
        let bids = Topic::new(&*topics.inputs[0], Utf8, Bytes);
        let views = Topic::new(&*topics.inputs[1], Utf8, Bytes);
        let output = Topic::new(&*topics.output, Utf8, Bytes);
        Arc::new(move |b| {
            let windows = JoinWindows::of_time_difference(DIFFERENCE).grace(GRACE);
            let stores = JoinStores::new(STORE, Utf8, Bytes, Bytes);
            let both = |bid: &Vec<u8>, view: &Vec<u8>| [&bid[..], view].concat();
            b.stream(&bids).join_windowed(&b.stream(&views), windows, stores, both).to(&output)
        })
    },
    has_changelog: true,
    ..STREAM_TABLE_JOIN
};
