//! Aggregates of several streams, over restarts.

use millstream::prelude::*;

use super::output;
use crate::TopologyTestDriver;

fn sales() -> Topic<String, i64> {
    Topic::new("sales", Utf8, Be64)
}

fn names() -> Topic<String, String> {
    Topic::new("names", Utf8, Utf8)
}

#[test]
fn streams_are_aggregated_together_over_restarts() {
    let mut driver = TopologyTestDriver::with_partitions(2, |b| {
        let names = b.stream(&names()).group_by(Topic::new("by-name", Utf8, Utf8), |_, name| name.clone());
        b.stream(&sales())
            .group_by_key()
            .cogroup(|_, amount, sum: &mut i64| *sum += amount)
            .cogroup(&names, |name, _, sum| *sum += name.len() as i64)
            .aggregate(Store::new("sums", Utf8, Be64), || 1000)
            .to_stream()
            .to(&output());
    });
    let mut seen = Vec::new();
    for (key, amount, time) in [("ann", Some(1), 10), ("bob", None, 5), ("ann", None, 3), ("bob", Some(7), 20)] {
        match amount {
            Some(amount) => driver.pipe(&sales(), key.to_string(), amount, time),
            None => driver.pipe(&names(), "any".to_string(), key.to_string(), time),
        }
        seen.extend(driver.records(&output()).into_iter().map(|r| (r.key, r.value.unwrap(), r.timestamp)));
        driver.restart();
    }
    let expected = [("ann", 1001, 10), ("bob", 1003, 5), ("ann", 1004, 10), ("bob", 1010, 20)];
    assert_eq!(seen, expected.map(|(key, sum, time)| (key.to_string(), sum, time)));
}
