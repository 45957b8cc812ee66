//! Versioned tables over restarts, aborts and records out of order.

use std::time::Duration;

use millstream::prelude::*;

use super::output;
use crate::TopologyTestDriver;

fn prices() -> Topic<String, i64> {
    Topic::new("prices", Utf8, Be64)
}

fn sales() -> Topic<String, i64> {
    Topic::new("sales", Utf8, Be64)
}

fn changes() -> Topic<String, i64> {
    Topic::new("changes", Utf8, Be64)
}

fn joined(b: &TopologyBuilder) {
    let table = b.versioned_table(&prices(), Store::new("prices", Utf8, Be64), Duration::from_millis(100));
    table.to_stream().to(&changes());
    b.stream(&sales()).left_join(&table, |count: i64, price| count * price.unwrap_or(&-1)).to(&output());
}

fn pipe(driver: &mut TopologyTestDriver, topic: &Topic<String, i64>, value: i64, timestamp: Timestamp) {
    driver.pipe(topic, "tea".to_string(), value, timestamp);
}

/// What a sale of one at each of the times gets.
fn prices_at(driver: &mut TopologyTestDriver, times: &[Timestamp]) -> Vec<i64> {
    times.iter().for_each(|time| pipe(driver, &sales(), 1, *time));
    driver.values(&output())
}

#[test]
fn a_stream_gets_the_value_as_of_its_time_also_after_a_restart_and_an_abort() {
    for disturb in [
        |_: &mut TopologyTestDriver| (),
        |driver: &mut TopologyTestDriver| driver.restart(),
        |driver: &mut TopologyTestDriver| driver.refuse_next_commit(),
    ] {
        let mut driver = TopologyTestDriver::new(joined);
        pipe(&mut driver, &prices(), 3, 10);
        disturb(&mut driver);
        pipe(&mut driver, &prices(), 5, 50);
        disturb(&mut driver);
        driver.pipe_null(&prices(), "tea".to_string(), 70);
        pipe(&mut driver, &prices(), 7, 90);
        disturb(&mut driver);
        pipe(&mut driver, &prices(), 4, 30);
        disturb(&mut driver);
        assert_eq!(
            prices_at(&mut driver, &[9, 10, 29, 30, 50, 69, 70, 89, 90, 500]),
            [-1, 3, 3, 4, 5, 5, -1, -1, 7, 7]
        );
        let of_changes = driver.records(&changes()).into_iter().map(|row| (row.value, row.timestamp));
        assert_eq!(
            of_changes.collect::<Vec<_>>(),
            [(Some(3), 10), (Some(5), 50), (None, 70), (Some(7), 90), (Some(4), 30)],
            "an update out of order is passed on"
        );
        disturb(&mut driver);
        pipe(&mut driver, &prices(), 9, 160);
        pipe(&mut driver, &prices(), 1, 59);
        assert_eq!(driver.late().get("source-prices"), Some(&1), "a late update is counted");
        disturb(&mut driver);
        assert_eq!(prices_at(&mut driver, &[59, 60, 69, 90, 160]), [-1, 5, 5, 7, 9], "the retention ends at 60");
        assert_eq!(driver.records(&changes()).len(), 1, "and dropped");
    }
}

#[test]
fn what_is_out_of_the_retention_leaves_the_changelog() {
    let mut driver = TopologyTestDriver::new(joined);
    for (value, time) in [(1, 0), (2, 50), (3, 100), (4, 151)] {
        pipe(&mut driver, &prices(), value, time);
    }
    let changelog: Topic<Vec<u8>, Vec<u8>> = Topic::new("test-prices-changelog", Bytes, Bytes);
    let rows = driver.records(&changelog);
    assert_eq!(rows.len(), 5);
    assert_eq!((rows[4].timestamp, &rows[4].key, &rows[4].value), (0, &rows[0].key, &None), "50 is out, so 0 is over");
}
