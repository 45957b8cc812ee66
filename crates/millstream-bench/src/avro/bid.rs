use serde::{Deserialize, Serialize};

/// A bid as Nexmark has them, and some types beside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, apache_avro::AvroSchema)]
pub(super) struct Bid {
    auction: i64,
    bidder: i64,
    price: i64,
    channel: String,
    url: String,
    extra: String,
    date_time: i64,
    score: f64,
    is_open: bool,
    note: Option<String>,
}

/// One of 195 bytes in Avro.
pub(super) fn bid() -> Bid {
    Bid {
        auction: 1_002_345,
        bidder: 1_777,
        price: 98_765_432,
        channel: "channel-4711".into(),
        url: "https://www.nexmark.com/item.htm?query=1&channel_id=12345".into(),
        extra: "abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz".into(),
        date_time: 1_700_000_000_123,
        score: 0.125,
        is_open: true,
        note: Some("first".into()),
    }
}
