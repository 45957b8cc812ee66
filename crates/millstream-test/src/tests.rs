//! What topologies do over time, restarts and errors.

mod calls;
mod cogroup;
mod cogroup_windowed;
mod deduplicate;
mod errors;
mod faults;
mod global;
mod grouping;
mod join_windowed;
mod parking;
mod rebalances;
mod restoring;
mod standby;
mod stepped;
mod stores;
mod tables;
mod timers;
mod versioned;
mod windowed;
mod windowed_state;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use millstream::prelude::*;

use crate::TopologyTestDriver;

fn input() -> Topic<String, i64> {
    Topic::new("input", Utf8, Be64)
}

fn output() -> Topic<String, i64> {
    Topic::new("output", Utf8, Be64)
}

/// The message of the panic that `run` ends with.
fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// Counts what it gets, and says how much at every tick of the wall clock.
struct Ticker(KeyValueStore<String, i64>);

impl Processor for Ticker {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        _: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        let count = self.0.get(&record.key).unwrap_or(0) + 1;
        self.0.put(record.key, count, record.timestamp);
        Ok(())
    }

    fn schedule(&self) -> Vec<Punctuation> {
        vec![Punctuation { kind: PunctuationType::WallClock, interval: Duration::from_secs(10) }]
    }

    fn punctuate(
        &self,
        context: &mut ProcessorContext<'_, '_, String, i64>,
        _: Punctuation,
        time: Timestamp,
    ) -> Result<(), ProcessError> {
        let mut rows = Vec::new();
        self.0.for_each(|key, count, _| rows.push((key.clone(), *count)));
        rows.into_iter().try_for_each(|(key, count)| context.forward(Record::new(key, count, time)))
    }
}

fn ticking(b: &TopologyBuilder) {
    let counts = b.store(Store::new("counts", Utf8, Be64));
    b.stream(&input()).process("ticker", Ticker(counts.clone()), &[&counts]).to(&output());
}

#[test]
fn wall_clock_punctuations_come_with_time_and_not_with_records() {
    let mut driver = TopologyTestDriver::new(ticking);
    driver.advance(Duration::from_secs(1));
    driver.pipe(&input(), "a".to_string(), 0, 1_000_000);
    assert!(driver.values(&output()).is_empty());
    driver.advance(Duration::from_secs(9));
    assert_eq!(driver.values(&output()), [1]);
    driver.advance(Duration::from_secs(9));
    assert!(driver.values(&output()).is_empty());
    driver.restart();
    driver.pipe(&input(), "a".to_string(), 0, 1_000_001);
    driver.advance(Duration::from_secs(10));
    assert_eq!(driver.values(&output()), [2], "the store came back");
}

#[test]
fn windows_go_on_after_a_restart_and_late_records_change_nothing() {
    let counts: Topic<Windowed<String>, i64> = Topic::new("counts", TimeWindowed::new(Utf8, 10), Be64);
    let to = counts.clone();
    let windows = TimeWindows::tumbling(Duration::from_millis(10)).grace(Duration::from_millis(5));
    let mut driver = TopologyTestDriver::new(move |b| {
        b.stream(&input())
            .group_by_key()
            .windowed_by(windows)
            .count(Store::new("by-window", Utf8, Be64))
            .to_stream()
            .to(&to);
    });
    let pipe = |driver: &mut TopologyTestDriver, timestamp| {
        driver.pipe(&input(), "a".to_string(), 0, timestamp);
        let entries = driver.entries(&counts).into_iter();
        entries.map(|(key, count)| (key.window.start, count.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(pipe(&mut driver, 1), [(0, 1)]);
    assert_eq!(pipe(&mut driver, 14), [(10, 1)]);
    driver.restart();
    assert_eq!(pipe(&mut driver, 2), [(0, 2)], "the window is in its grace");
    assert_eq!(pipe(&mut driver, 15), [(10, 2)], "stream time reaches 0 + 10 + 5");
    driver.restart();
    assert_eq!(pipe(&mut driver, 3), [], "stream time came back, too");
    assert_eq!(pipe(&mut driver, 16), [(10, 3)]);
    let changelog: Topic<Vec<u8>, Vec<u8>> = Topic::new("test-by-window-changelog", Bytes, Bytes);
    let mut of_first_window = driver.entries(&changelog).into_iter().rev().filter(|(key, _)| key[1..9] == [0; 8]);
    assert_eq!(of_first_window.next().map(|(_, row)| row), Some(None), "a window that is over leaves a tombstone");
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let mut driver = TopologyTestDriver::new(|b| b.stream(&input()).to(&output()));
    driver.pipe(&input(), "a".to_string(), 1, 0);
    let text: Topic<String, String> = Topic::new("input", Utf8, Utf8);
    let message = panic_of(|| driver.pipe(&text, "a".to_string(), "seven".to_string(), 0));
    for part in ["topic input, partition 0, offset 1, node source-input", "the value cannot be read", "8"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn a_partition_that_does_not_exist_is_named() {
    let mut driver = TopologyTestDriver::new(|b| b.stream(&input()).to_partition(&output(), |_, _, count| count));
    let message = panic_of(|| driver.pipe(&input(), "a".to_string(), 1, 0));
    for part in ["topic input, partition 0, offset 0, node sink-output-1", "chose partition 1", "0 to 0"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn headers_and_timestamps_pass_through() {
    let mut driver = TopologyTestDriver::new(|b| b.stream(&input()).map_values(|v| v + 1).to(&output()));
    let mut headers = Headers::default();
    headers.push("trace", Some(b"7".to_vec()));
    driver.pipe_record(&input(), Record { key: "a".to_string(), value: Some(1), timestamp: 5, headers });
    let records = driver.records(&output());
    assert_eq!((records[0].value, records[0].timestamp), (Some(2), 5));
    assert_eq!(records[0].headers.last("trace"), Some(Some(&b"7"[..])));
}

#[test]
fn a_null_key_in_a_store_is_refused_and_not_taken_for_another() {
    let input: Topic<Option<String>, i64> = Topic::new("input", Nullable(Utf8), Be64);
    let i = input.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        b.stream(&i).group_by_key().count(Store::new("counts", Nullable(Utf8), Be64));
    });
    driver.pipe(&input, Some(String::new()), 1, 0);
    let message = panic_of(|| driver.pipe(&input, None, 1, 0));
    for part in ["task 0_0", "store counts", "null key", "filter"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn a_row_of_unit_comes_back() {
    let (seen, asked): (Topic<String, ()>, Topic<String, i64>) = (Topic::new("seen", Utf8, Unit), input());
    let s = seen.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let rows = b.stream(&s).group_by_key().aggregate(Store::new("rows", Utf8, Unit), || (), |_, (), ()| ());
        b.stream(&input()).join(&rows, |value, ()| value).to(&output());
    });
    driver.pipe(&seen, "a".to_string(), (), 0);
    driver.restart();
    driver.pipe(&asked, "a".to_string(), 1, 1);
    assert_eq!(driver.values(&output()), [1]);
}

#[test]
fn a_null_value_is_no_row_with_a_restart_and_without() {
    for restarts in [false, true] {
        let input: Topic<String, Option<i64>> = Topic::new("input", Utf8, Nullable(Be64));
        let i = input.clone();
        let mut driver = TopologyTestDriver::new(move |b| {
            let sums = Store::new("sums", Utf8, Nullable(Be64));
            let sums = b.stream(&i).group_by_key().reduce(sums, |a, b| Some((*a)? + b?));
            sums.to_stream().map_values(Option::flatten).to(&output());
        });
        for (value, timestamp) in [(Some(2), 0), (None, 1), (Some(3), 2), (Some(4), 3)] {
            driver.pipe(&input, "a".to_string(), value, timestamp);
            if restarts {
                driver.restart();
            }
        }
        let values: Vec<_> = driver.entries(&output()).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [Some(2), None, Some(3), Some(7)], "restarts: {restarts}");
    }
}
