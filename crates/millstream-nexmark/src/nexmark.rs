//! What is known of a run: its topics and its events.

use std::sync::Arc;
use std::time::Duration;

use millstream::prelude::*;

use crate::binary::{Binary, Field};
use crate::generator;
use crate::model::{Auction, Bid, Person};

/// What the queries of a run share: the names of topics, and what is known of the events.
#[derive(Clone)]
pub struct Nexmark {
    /// What the names of its inputs begin with.
    pub inputs: String,
    /// What the names of its outputs begin with.
    pub outputs: String,
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
    pub fn new(settings: &generator::Settings, clock: Clock) -> Self {
        let (inputs, outputs) = ("nexmark".to_owned(), "nexmark".to_owned());
        let (disorder, longest_auction) = (DISORDER.max(settings.disorder()), settings.longest_auction());
        Nexmark { inputs, outputs, disorder, longest_auction, clock }
    }

    /// The people, by id.
    pub fn people(&self) -> Topic<i64, Person> {
        self.input("people")
    }

    /// The auctions, by id.
    pub fn auctions(&self) -> Topic<i64, Auction> {
        self.input("auctions")
    }

    /// The bids, by auction.
    pub fn bids(&self) -> Topic<i64, Bid> {
        self.input("bids")
    }

    /// The names of the three.
    pub fn input_names(&self) -> [String; 3] {
        ["people", "auctions", "bids"].map(|name| self.input_name(name))
    }

    /// What the query of that name writes.
    pub fn output<K, V>(&self, query: &str, key: impl Serde<K>, value: impl Serde<V>) -> Topic<K, V> {
        Topic::new(format!("{}-{query}", self.outputs), key, value)
    }

    fn input<V: Field + 'static>(&self, name: &str) -> Topic<i64, V> {
        let behind = Watermark::bounded_out_of_orderness(self.disorder);
        Topic::new(self.input_name(name), Be64, Binary).watermark(behind)
    }

    fn input_name(&self, name: &str) -> String {
        format!("{}-{name}", self.inputs)
    }
}
