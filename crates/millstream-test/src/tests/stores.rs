//! Stores of processors over restarts, aborts and later versions of a topology.

use std::time::Duration;

use millstream::prelude::*;

use super::{input, output, panic_of};
use crate::TopologyTestDriver;

fn other() -> Topic<String, i64> {
    Topic::new("other", Utf8, Be64)
}

/// Adds each value up in two stores: by key in one, all in the other. Forwards both sums.
struct Sums {
    by_key: OrderedStore<String, i64>,
    total: KeyValueStore<String, i64>,
}

impl Processor for Sums {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        let add = |sum: &mut Option<i64>, time: &mut Timestamp| {
            *time = record.timestamp.max(*time);
            *sum.insert(sum.unwrap_or(0) + record.value)
        };
        let of_key = self.by_key.update(&record.key, add);
        let total = self.total.update(&"total".to_string(), add);
        context.forward(Record::new(record.key, of_key, record.timestamp))?;
        context.forward(Record::new("total".to_string(), total, record.timestamp))
    }
}

/// Two processors, of inputs that nothing else joins, with two stores in common.
fn shared(b: &TopologyBuilder) {
    let by_key = b.ordered_store(Store::new("by-key", Utf8, Be64));
    let total = b.store(Store::new("total", Utf8, Be64));
    let sums = || Sums { by_key: by_key.clone(), total: total.clone() };
    b.stream(&input()).process("one", sums(), &[&by_key, &total]).to(&output());
    b.stream(&other()).process("two", sums(), &[&by_key, &total]).to(&output());
}

fn pipe(driver: &mut TopologyTestDriver, topic: &Topic<String, i64>, key: &str, value: i64, timestamp: Timestamp) {
    driver.pipe(topic, key.to_string(), value, timestamp);
}

#[test]
fn processors_share_stores_and_are_one_sub_topology_by_them() {
    let mut driver = TopologyTestDriver::new(shared);
    pipe(&mut driver, &input(), "a", 1, 0);
    pipe(&mut driver, &other(), "a", 2, 1);
    driver.restart();
    pipe(&mut driver, &input(), "b", 4, 2);
    driver.refuse_next_commit();
    pipe(&mut driver, &other(), "a", 8, 3);
    assert_eq!(driver.values(&output()), [1, 1, 3, 3, 4, 7, 11, 15]);
    let text = driver.topology().to_string();
    assert!(text.contains("sub-topology 0") && !text.contains("sub-topology 1"), "{text}");
}

#[test]
fn a_store_without_changelog_beside_one_that_has_one() {
    let mut driver = TopologyTestDriver::new(|b| {
        let by_key = b.ordered_store(Store::new("by-key", Utf8, Be64).without_changelog());
        let total = b.store(Store::new("total", Utf8, Be64));
        let sums = Sums { by_key: by_key.clone(), total: total.clone() };
        b.stream(&input()).process("sums", sums, &[&by_key, &total]).to(&output());
    });
    pipe(&mut driver, &input(), "a", 1, 0);
    driver.restart();
    pipe(&mut driver, &input(), "a", 2, 0);
    assert_eq!(driver.values(&output()), [1, 1, 2, 3]);
}

#[test]
fn a_store_of_no_processor_is_an_error() {
    let define = |b: &TopologyBuilder| {
        b.ordered_store(Store::<String, i64>::new("forgotten", Utf8, Be64));
        b.stream(&input()).to(&output());
    };
    let message = panic_of(|| drop(TopologyTestDriver::new(define)));
    assert!(message.contains("store forgotten is used by no processor"), "{message}");
}

fn sums_with(store: fn() -> Store<String, i64>) -> impl Fn(&TopologyBuilder) {
    move |b| b.stream(&input()).group_by_key().reduce(store(), |a, b| a + b).to_stream().to(&output())
}

#[test]
fn a_store_without_changelog_is_rolled_back_and_forgotten_by_a_restart() {
    let mut driver = TopologyTestDriver::new(sums_with(|| Store::new("sums", Utf8, Be64).without_changelog()));
    pipe(&mut driver, &input(), "a", 1, 0);
    driver.refuse_next_commit();
    pipe(&mut driver, &input(), "a", 2, 0);
    driver.restart();
    pipe(&mut driver, &input(), "a", 4, 0);
    assert_eq!(driver.values(&output()), [1, 3, 4]);
    let text = driver.topology().to_string();
    assert!(text.contains("store sums: in memory alone, without changelog"), "{text}");
    assert!(!driver.has_topic("test-sums-changelog"));
}

#[test]
fn rows_whose_time_is_up_are_gone_from_memory_and_changelog_and_stay_so() {
    let with_limit = || Store::new("sums", Utf8, Be64).time_to_live(Duration::from_millis(10));
    let mut driver = TopologyTestDriver::new(sums_with(with_limit));
    pipe(&mut driver, &input(), "a", 1, 0);
    pipe(&mut driver, &input(), "b", 2, 9);
    driver.restart();
    driver.refuse_next_commit();
    pipe(&mut driver, &input(), "a", 4, 10);
    pipe(&mut driver, &input(), "b", 8, 10);
    pipe(&mut driver, &input(), "c", 16, 20);
    assert_eq!(driver.values(&output()), [1, 2, 4, 10, 16]);
    let changelog: Topic<String, i64> = Topic::new("test-sums-changelog", Utf8, Be64);
    let mut rows = driver.entries(&changelog).into_iter().skip(4).collect::<Vec<_>>();
    rows.sort();
    assert_eq!(rows, [("a", None), ("b", None), ("c", Some(16))].map(|(k, v)| (k.to_string(), v)));
    driver.restart_with(sums_with(|| Store::new("sums", Utf8, Be64)));
    pipe(&mut driver, &input(), "a", 1, 20);
    assert_eq!(driver.values(&output()), [1], "also for a topology without the limit");
}

#[test]
fn a_time_to_live_of_windows_is_an_error() {
    let define = |b: &TopologyBuilder| {
        let windows = TimeWindows::tumbling(Duration::from_millis(10));
        let store = Store::new("counts", Utf8, Be64).time_to_live(Duration::from_millis(10));
        b.stream(&input()).group_by_key().windowed_by(windows).count(store);
    };
    let message = panic_of(|| drop(TopologyTestDriver::new(define)));
    assert!(message.contains("store counts has a time_to_live()"), "{message}");
}

/// Version 1 had keys in lower case; version 2 doubles the values.
fn versions(newest: u32) -> impl Fn(&TopologyBuilder) {
    move |b| {
        let store =
            Store::new("sums", Utf8, Be64).upgrade(0, |key, value| Ok((key.to_ascii_lowercase(), value.to_vec())));
        let store = match newest {
            1 => store.version(1),
            _ => store.version(2).upgrade(1, |key, value| {
                let mut doubled = Vec::new();
                Be64.encode(&(2 * Serde::<i64>::decode(&Be64, value)?), &mut doubled)?;
                Ok((key.to_vec(), doubled))
            }),
        };
        b.stream(&input()).group_by_key().reduce(store, |a, b| a + b).to_stream().to(&output());
    }
}

#[test]
fn rows_of_older_versions_are_brought_to_the_newest() {
    let mut driver = TopologyTestDriver::new(sums_with(|| Store::new("sums", Utf8, Be64)));
    pipe(&mut driver, &input(), "A", 1, 0);
    pipe(&mut driver, &input(), "B", 2, 0);
    driver.restart_with(versions(1));
    pipe(&mut driver, &input(), "a", 10, 0);
    driver.restart_with(versions(2));
    pipe(&mut driver, &input(), "a", 100, 0);
    pipe(&mut driver, &input(), "b", 100, 0);
    driver.restart();
    pipe(&mut driver, &input(), "a", 1, 0);
    pipe(&mut driver, &input(), "b", 1, 0);
    assert_eq!(driver.values(&output()), [1, 2, 11, 122, 104, 123, 105]);
    let changelog: Topic<String, i64> = Topic::new("test-sums-changelog", Utf8, Be64);
    let rows = driver.records(&changelog);
    let live: Vec<&str> = ["A", "B", "a", "b"]
        .into_iter()
        .filter(|key| rows.iter().rev().find(|row| row.key == *key).is_some_and(|row| row.value.is_some()))
        .collect();
    assert_eq!(live, ["a", "b"], "the old keys have tombstones");
    assert_eq!(rows.last().unwrap().headers.last("store-version"), Some(Some(&b"2"[..])));
}

#[test]
fn rows_of_a_newer_version_and_missing_upgrades_are_clear_errors() {
    let mut driver = TopologyTestDriver::new(versions(2));
    pipe(&mut driver, &input(), "a", 1, 0);
    let message = panic_of(|| driver.restart_with(versions(1)));
    for part in [
        "store sums",
        "topic test-sums-changelog, partition 0, offset 0",
        "version 2, newer than version 1",
        "run the newer",
    ] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let mut driver = TopologyTestDriver::new(sums_with(|| Store::new("sums", Utf8, Be64)));
    pipe(&mut driver, &input(), "a", 1, 0);
    let message = panic_of(|| driver.restart_with(sums_with(|| Store::new("sums", Utf8, Be64).version(1))));
    assert!(message.contains("give the store an upgrade(0, ..)"), "{message}");
    let define =
        sums_with(|| Store::new("sums", Utf8, Be64).version(1).upgrade(1, |k, v| Ok((k.to_vec(), v.to_vec()))));
    let message = panic_of(|| drop(TopologyTestDriver::new(define)));
    assert!(message.contains("store sums is of version 1 and has an upgrade from version 1"), "{message}");
}
