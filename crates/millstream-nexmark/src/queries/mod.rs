//! The queries as topologies. Beside each is its SQL, which says the same in the words of the Flink suite (over tables `person`,
//! `auction` and `bid`, with times in ms), and which DuckDB runs in a check. Where the suite leaves open which of equal rows is
//! meant, both take the same one.

mod bands;
mod offers;
mod output;
mod q00;
mod q01;
mod q02;
mod q03;
mod q04;
mod q05;
mod q06;
mod q07;
mod q08;
mod q09;
mod q11;
mod q12;
mod q14;
mod q15;
mod q16;
mod q17;
mod q18;
mod q19;
mod q20;
mod q22;

use anyhow::Result;
use millstream::broker::Broker;
use millstream::prelude::TopologyBuilder;

use crate::nexmark::Nexmark;

/// The windows of q5, q7, q8, q11 and q12, in ms.
const WINDOW_MS: i64 = 10_000;

/// How long a day is, in ms; those of q15, q16 and q17 are UTC's.
const DAY_MS: i64 = 86_400_000;

/// A query.
pub struct Query {
    /// Such as `q5`.
    pub name: &'static str,
    /// What it asks.
    pub title: &'static str,
    /// Its topology.
    pub define: fn(&TopologyBuilder, &Nexmark),
    /// What it means.
    pub sql: &'static str,
    output: fn(&Nexmark) -> Box<dyn Results>,
}

impl Query {
    /// The topic that it writes to.
    pub fn output(&self, nexmark: &Nexmark) -> String {
        (self.output)(nexmark).topic()
    }

    /// How many records it wrote, and the rows that they mean, as JSON arrays: each record's, or where records are updates, those of
    /// the last one of each key.
    ///
    /// # Errors
    /// The broker's; bytes that are not the query's.
    pub fn rows(&self, broker: &dyn Broker, nexmark: &Nexmark) -> Result<(usize, Vec<String>)> {
        (self.output)(nexmark).rows(broker)
    }
}

/// What a query has written.
trait Results {
    fn topic(&self) -> String;
    fn rows(&self, broker: &dyn Broker) -> Result<(usize, Vec<String>)>;
}

macro_rules! queries {
    ($($module:ident $name:literal $title:literal),+ $(,)?) => {
        /// All of them.
        pub const QUERIES: &[Query] = &[$(Query {
            name: $name,
            title: $title,
            define: $module::define,
            sql: include_str!(concat!("sql/", $name, ".sql")),
            output: |nexmark| Box::new($module::output(nexmark)),
        }),+];
    };
}

queries! {
    q00 "q0" "every bid as it is",
    q01 "q1" "bids with prices in another currency",
    q02 "q2" "bids on some auctions",
    q03 "q3" "who sells in some states",
    q04 "q4" "average price of a category",
    q05 "q5" "auctions with most bids in 10 s",
    q06 "q6" "average of a seller's last ten prices",
    q07 "q7" "highest bids in 10 s",
    q08 "q8" "who came and sold in 10 s",
    q09 "q9" "winning bids",
    q11 "q11" "bids in a user's session",
    q12 "q12" "bids of a user in 10 s of processing time",
    q14 "q14" "calculations on some bids",
    q15 "q15" "bidders and auctions of a day",
    q16 "q16" "bidders and auctions of a channel's day",
    q17 "q17" "prices of an auction's day",
    q18 "q18" "a user's last bid on an auction",
    q19 "q19" "an auction's ten highest bids",
    q20 "q20" "bids with their auctions",
    q22 "q22" "parts of URLs",
}
