//! What windows leave in their changelogs, what is late, and how a suppress buffer holds back.

use std::time::Duration;

use millstream::prelude::*;

use super::panic_of;
use crate::TopologyTestDriver;

fn input() -> Topic<String, i64> {
    Topic::new("input", Utf8, Be64)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pipe(driver: &mut TopologyTestDriver, key: &str, value: i64, timestamp: i64) {
    driver.pipe(&input(), key.to_string(), value, timestamp);
}

/// What is in a changelog: the rows that no later record has deleted or replaced.
fn rows(driver: &mut TopologyTestDriver, store: &str) -> Vec<Vec<u8>> {
    let changelog: Topic<Vec<u8>, Vec<u8>> = Topic::new(format!("test-{store}-changelog"), Bytes, Bytes);
    let mut rows = std::collections::BTreeMap::new();
    for (key, value) in driver.entries(&changelog) {
        rows.insert(key, value);
    }
    rows.into_iter().filter_map(|(key, value)| value.map(|_| key)).collect()
}

#[test]
fn a_hopping_record_is_late_only_when_no_window_takes_it() {
    let out: Topic<Windowed<String>, i64> = Topic::new("out", TimeWindowed::new(Utf8, 10), Be64);
    let late: Topic<String, i64> = Topic::new("late", Utf8, Be64);
    let (to, late_to) = (out.clone(), late.clone());
    let mut driver = TopologyTestDriver::new(move |b| {
        let windowed = b.stream(&input()).group_by_key().windowed_by(TimeWindows::hopping(ms(10), ms(5)));
        windowed.late().to(&late_to);
        windowed.count(Store::new("counts", Utf8, Be64)).to_stream().to(&to);
    });
    for (value, timestamp) in [(1, 7), (2, 16), (3, 12), (4, 9), (5, 26)] {
        pipe(&mut driver, "a", value, timestamp);
    }
    let counts: Vec<_> = driver.entries(&out).into_iter().map(|(k, n)| (k.window.start, n.unwrap())).collect();
    assert_eq!(counts, [(0, 1), (5, 1), (10, 1), (15, 1), (10, 2), (20, 1), (25, 1)]);
    assert_eq!(driver.values(&late), [4], "12 is too late for the window at 5, but not for the one at 10");
    let late = driver.late();
    assert_eq!(late.values().sum::<u64>(), 1);
    assert!(late.keys().all(|node| node.starts_with("windowed-by-")), "{late:?}");
}

#[test]
fn sessions_leave_tombstones_when_they_are_merged_and_when_they_are_over() {
    let out: Topic<Windowed<String>, i64> = Topic::new("out", SessionWindowed(Utf8), Be64);
    let to = out.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let sessions = SessionWindows::inactivity_gap(ms(10)).grace(ms(20));
        let windowed = b.stream(&input()).group_by_key().windowed_by(sessions);
        windowed.count(Store::new("counts", Utf8, Be64)).to_stream().to(&to);
    });
    let session = |key: u8, start: u8, end: u8| [vec![key], vec![0; 7], vec![end], vec![0; 7], vec![start]].concat();
    for timestamp in [10, 25, 18, 18] {
        pipe(&mut driver, "a", 0, timestamp);
    }
    let records = driver.records(&out).into_iter();
    let results: Vec<_> = records.map(|r| (r.key.window.start, r.key.window.end, r.value, r.timestamp)).collect();
    let joined =
        [(10, 10, None, 10), (25, 25, None, 25), (10, 25, Some(3), 25), (10, 25, None, 25), (10, 25, Some(4), 25)];
    assert_eq!(results[..2], [(10, 10, Some(1), 10), (25, 25, Some(1), 25)]);
    assert_eq!(results[2..], joined);
    pipe(&mut driver, "b", 0, 54);
    driver.restart();
    assert_eq!(rows(&mut driver, "counts"), [session(b'a', 10, 25), session(b'b', 54, 54)]);
    pipe(&mut driver, "a", 0, 22);
    assert_eq!(driver.entries(&out).pop().unwrap().1, Some(5), "25 + 10 + 20 is not passed");
    pipe(&mut driver, "b", 0, 56);
    assert_eq!(rows(&mut driver, "counts"), [session(b'b', 54, 56)]);
    driver.entries(&out);
    driver.restart();
    pipe(&mut driver, "a", 0, 25);
    assert!(driver.entries(&out).is_empty());
    assert_eq!(driver.late().values().sum::<u64>(), 1);
}

#[test]
fn emitted_windows_are_gone_from_the_changelog() {
    let out: Topic<Windowed<String>, i64> = Topic::new("out", TimeWindowed::new(Utf8, 10), Be64);
    let to = out.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let windowed = b.stream(&input()).group_by_key().windowed_by(TimeWindows::tumbling(ms(10)));
        windowed.emit(Emit::OnWindowClose).count(Store::new("counts", Utf8, Be64)).to_stream().to(&to);
    });
    for (key, timestamp) in [("b", 1), ("a", 5), ("b", 3), ("a", 9)] {
        pipe(&mut driver, key, 0, timestamp);
    }
    driver.restart();
    assert!(driver.entries(&out).is_empty());
    assert_eq!(rows(&mut driver, "counts").len(), 2);
    pipe(&mut driver, "c", 0, 10_000_000);
    driver.restart();
    let finals: Vec<_> = driver.records(&out).into_iter().map(|r| (r.key.key, r.value.unwrap(), r.timestamp)).collect();
    assert_eq!(finals, [("a".to_string(), 2, 9), ("b".to_string(), 2, 3)], "by key, with the time of the last record");
    assert_eq!(rows(&mut driver, "counts").len(), 1);
}

#[test]
fn emit_on_commit_passes_on_what_was_before_the_commit() {
    let out: Topic<String, Vec<i64>> = Topic::new("out", Utf8, Json);
    let to = out.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        // A record of value n stands for n records of 1, all in one commit.
        let ones = b.stream(&input()).flat_map_values(|n: i64| vec![1_i64; n as usize]);
        let windowed = ones.group_by_key().windowed_by(TimeWindows::tumbling(ms(10))).emit(Emit::OnCommit);
        let counts = windowed.count(Store::new("counts", Utf8, Be64));
        counts
            .to_stream()
            .map(|key, count| (format!("{}@{}", key.key, key.window.start), vec![count.unwrap()]))
            .to(&to);
    });
    for (n, timestamp) in [(3, 1), (2, 4), (1, 20)] {
        pipe(&mut driver, "a", n, timestamp);
    }
    let expected = [("a@0", 3), ("a@0", 5), ("a@20", 1)].map(|(key, n)| (key.to_string(), Some(vec![n])));
    assert_eq!(driver.entries(&out), expected);
}

fn suppressed(bound: Bound) -> (TopologyTestDriver, Topic<String, i64>) {
    let out: Topic<String, i64> = Topic::new("out", Utf8, Be64);
    let to = out.clone();
    let driver = TopologyTestDriver::new(move |b| {
        let table = b.table(&input(), Store::new("table", Utf8, Be64));
        let until = Suppressed::until_time_limit(ms(100), bound);
        table.suppress(until, Store::new("buffer", Utf8, Be64)).to_stream().to(&to);
    });
    (driver, out)
}

#[test]
fn a_time_limit_counts_from_the_first_change_of_a_key() {
    let (mut driver, out) = suppressed(Bound::unbounded());
    for (key, value, timestamp) in [("b", 1, 0), ("a", 2, 0), ("b", 3, 90), ("c", 4, 99)] {
        pipe(&mut driver, key, value, timestamp);
    }
    driver.restart();
    assert!(driver.entries(&out).is_empty());
    pipe(&mut driver, "a", 5, 100);
    let records: Vec<_> = driver.records(&out).into_iter().map(|r| (r.key, r.value, r.timestamp)).collect();
    assert_eq!(records, [("a".to_string(), Some(5), 100), ("b".to_string(), Some(3), 90)]);
    driver.pipe_null(&input(), "c".to_string(), 150);
    pipe(&mut driver, "d", 6, 10);
    assert_eq!(driver.entries(&out), [("d".to_string(), Some(6))], "later than its limit: at once");
    driver.restart();
    pipe(&mut driver, "e", 7, 199);
    assert_eq!(driver.entries(&out), [("c".to_string(), None)]);
    assert_eq!(rows(&mut driver, "buffer"), [b"e".to_vec()]);
}

#[test]
fn a_full_buffer_emits_early_what_has_waited_longest() {
    let (mut driver, out) = suppressed(Bound::records(2).emit_early());
    for (key, timestamp) in [("a", 5), ("b", 3)] {
        pipe(&mut driver, key, 1, timestamp);
    }
    driver.restart();
    pipe(&mut driver, "c", 1, 4);
    assert_eq!(driver.entries(&out), [("b".to_string(), Some(1))]);
    // A row has 8 bytes of time, 1 of key, and 8 of value; 8 more once there is a value before it.
    let (mut driver, out) = suppressed(Bound::bytes(34).emit_early());
    for (key, timestamp) in [("a", 0), ("b", 1)] {
        pipe(&mut driver, key, 1, timestamp);
    }
    driver.restart();
    assert!(driver.entries(&out).is_empty());
    driver.pipe_null(&input(), "b".to_string(), 2);
    pipe(&mut driver, "c", 1, 3);
    assert_eq!(driver.entries(&out), [("a".to_string(), Some(1))]);
}

#[test]
fn a_full_buffer_that_may_not_emit_is_an_error_of_the_record() {
    let (mut driver, _) = suppressed(Bound::records(1).fail());
    pipe(&mut driver, "a", 1, 0);
    pipe(&mut driver, "a", 2, 1);
    let message = panic_of(|| pipe(&mut driver, "b", 1, 2));
    for part in ["topic input, partition 0, offset 2, node suppress-1", "buffer is full", "2 records of 1"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn what_cannot_be_final_is_an_error_of_the_topology() {
    let early = Bound::records(1).emit_early();
    let message = panic_of(|| {
        TopologyTestDriver::new(move |b| {
            let windowed = b.stream(&input()).group_by_key().windowed_by(TimeWindows::tumbling(ms(10)));
            let counts = windowed.count(Store::new("counts", Utf8, Be64));
            counts.suppress(
                Suppressed::until_window_closes(early),
                Store::new("buffer", TimeWindowed::new(Utf8, 10), Be64),
            );
        });
    });
    assert!(message.contains("emitted early are not final"), "{message}");
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            let windowed: Topic<Windowed<String>, i64> = Topic::new("windowed", TimeWindowed::new(Utf8, 10), Be64);
            let table = b.table(&windowed, Store::new("table", TimeWindowed::new(Utf8, 10), Be64));
            let until = Suppressed::until_window_closes(Bound::unbounded());
            table.suppress(until, Store::new("buffer", TimeWindowed::new(Utf8, 10), Be64));
        });
    });
    assert!(message.contains("its windows are not known"), "{message}");
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            let grouped = b.stream(&input()).group_by_key().emit(Emit::OnWindowClose);
            grouped.count(Store::new("counts", Utf8, Be64));
        });
    });
    assert!(message.contains("has no windows"), "{message}");
}
