//! What is known of a run: its topics and its events.

use std::sync::Arc;
use std::time::Duration;

use millstream::prelude::*;

use crate::binary::Binary;
use crate::generator;
use crate::model::{Auction, Bid, Person};

/// A run of the benchmark: its topics, and what is known of its events.
#[derive(Clone)]
pub struct Nexmark {
    /// What all its topics' names begin with.
    pub prefix: String,
    /// How much older than one before it an event may be: so much later windows close.
    pub disorder: Duration,
    /// How far, in time, a bid may be from its auction: joins of both keep what they may still need for so long. Flink's SQL keeps
    /// it for ever, with the same results.
    pub longest_auction: Duration,
    /// Processing time, for q12.
    pub clock: Clock,
}

/// Says the time, in ms.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// As in the Flink suite's tables.
const DISORDER: Duration = Duration::from_secs(4);

impl Nexmark {
    /// A run over the events of a generator with these settings.
    pub fn new(prefix: impl Into<String>, settings: &generator::Settings, clock: Clock) -> Self {
        let disorder = DISORDER.max(settings.disorder());
        Nexmark { prefix: prefix.into(), disorder, longest_auction: settings.longest_auction(), clock }
    }

    /// The people, by id.
    pub fn people(&self) -> Topic<i64, Person> {
        self.topic("people", Be64, Binary).watermark(Watermark::bounded_out_of_orderness(self.disorder))
    }

    /// The auctions, by id.
    pub fn auctions(&self) -> Topic<i64, Auction> {
        self.topic("auctions", Be64, Binary).watermark(Watermark::bounded_out_of_orderness(self.disorder))
    }

    /// The bids, by auction.
    pub fn bids(&self) -> Topic<i64, Bid> {
        self.topic("bids", Be64, Binary).watermark(Watermark::bounded_out_of_orderness(self.disorder))
    }

    /// A topic of this run, such as what a query writes.
    pub fn topic<K, V>(&self, name: &str, key: impl Serde<K>, value: impl Serde<V>) -> Topic<K, V> {
        Topic::new(format!("{}-{name}", self.prefix), key, value)
    }
}
