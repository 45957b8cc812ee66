use std::sync::Arc;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Compared, STATELESS, Workload};
use crate::inputs::BIDS;

/// Half of the bids have it.
const LEAST_PRICE: u64 = 500_000;

/// What is read of a bid, and what is written.
#[derive(Clone, Deserialize, Serialize)]
struct Bid {
    auction: u64,
    price: u64,
}

pub(super) static FILTER: Workload = Workload {
    name: "filter",
    about: "Filter and project: bids are read as JSON; of those with a price of at least 500,000, auction and price are \
            written as JSON.",
    inputs: &[&BIDS],
    contestants: STATELESS,
    topology: |topics| {
        let input = Topic::<Vec<u8>, Bid>::new(&*topics.inputs[0], Bytes, Json);
        let output = Topic::new(&*topics.output, Bytes, Json);
        Arc::new(move |b| b.stream(&input).filter(|_, bid: &Bid| bid.price >= LEAST_PRICE).to(&output))
    },
    has_changelog: false,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};

#[cfg(test)]
mod tests {
    use millstream_test::TopologyTestDriver;

    use super::*;
    use crate::job::Topics;

    #[test]
    fn dear_bids_are_left_with_auction_and_price() {
        let define = (FILTER.topology)(&Topics::of("g", vec!["in".to_owned()]));
        let mut driver = TopologyTestDriver::new(move |b| define(b));
        for price in [499_999, 500_000, 700_000] {
            let bid = format!(r#"{{"auction":7,"bidder":1,"price":{price},"url":"x"}}"#);
            driver.pipe(&Topic::new("in", Utf8, Utf8), "7".to_owned(), bid, 5);
        }
        let output = driver.values(&Topic::<String, String>::new("g-out", Utf8, Utf8));
        assert_eq!(output, [r#"{"auction":7,"price":500000}"#, r#"{"auction":7,"price":700000}"#]);
    }
}
