//! Windowed joins of two streams: against a naive join, over restarts, and with tasks of several partitions.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use millstream::prelude::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::faults::Faults;
use super::stepped::Stepped;
use crate::TopologyTestDriver;

fn left() -> Topic<String, i64> {
    Topic::new("left", Utf8, Be64)
}

fn right() -> Topic<String, i64> {
    Topic::new("right", Utf8, Be64)
}

fn output() -> Topic<String, String> {
    Topic::new("output", Utf8, Utf8)
}

fn late() -> Topic<String, i64> {
    Topic::new("late", Utf8, Be64)
}

/// Which unjoined records yield results.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Inner,
    Left,
    Outer,
}

#[derive(Clone, Copy, Debug)]
struct Windows {
    before: i64,
    after: i64,
    grace: i64,
}

impl Windows {
    fn retention(self) -> i64 {
        self.before + self.after + self.grace
    }
}

fn define(kind: Kind, windows: Windows) -> impl Fn(&TopologyBuilder) + Send + Sync + 'static {
    define_with(kind, windows, Faults::never())
}

fn define_with(kind: Kind, windows: Windows, faults: Faults) -> impl Fn(&TopologyBuilder) + Send + Sync + 'static {
    let ms = |ms: i64| Duration::from_millis(ms as u64);
    let windows = JoinWindows::of_time_difference(Duration::ZERO)
        .before(ms(windows.before))
        .after(ms(windows.after))
        .grace(ms(windows.grace));
    move |b| {
        let stores = JoinStores::new("join", Utf8, Be64, Be64);
        let (left, right) = (b.stream(&left()), b.stream(&right()));
        let joined = match kind {
            Kind::Inner => left.join_windowed(&right, windows, stores, |l, r| text(Some(l), Some(r))),
            Kind::Left => left.left_join_windowed(&right, windows, stores, |l, r| text(Some(l), r)),
            Kind::Outer => left.outer_join_windowed(&right, windows, stores, text),
        };
        faults.on("fault", &joined).to(&output());
        joined.late().to(&late());
        joined.other_late().to(&late());
    }
}

fn text(left: Option<&i64>, right: Option<&i64>) -> String {
    let side = |value: Option<&i64>| value.map_or("-".to_string(), i64::to_string);
    format!("{} {}", side(left), side(right))
}

/// A record of a test: its place in the input is its value.
#[derive(Clone, Copy, Debug)]
struct Event {
    is_left: bool,
    key: u8,
    timestamp: i64,
}

fn key_of(event: &Event) -> String {
    format!("k{}", event.key)
}

/// One result: key, text, timestamp.
type Joined = (String, String, i64);

/// What the join must yield, by a look at all pairs; each result with the number of the record that it comes with.
fn naive(events: &[Event], kind: Kind, windows: Windows) -> Vec<(usize, Joined)> {
    let mut results = Vec::new();
    let now = |until: usize| events[..until].iter().map(|event| event.timestamp).max().unwrap_or(i64::MIN / 2);
    let reach = |event: &Event| if event.is_left { windows.after } else { windows.before };
    let over = |event: &Event, at: usize| event.timestamp + reach(event) + windows.grace < now(at + 1);
    let is_kept = |n, until| is_kept(events, windows, n, until);
    let is_outer = |event: &Event| match kind {
        Kind::Inner => false,
        Kind::Left => event.is_left,
        Kind::Outer => true,
    };
    let mut has_met = vec![false; events.len()];
    for (n, event) in events.iter().enumerate() {
        for (m, other) in events[..n].iter().enumerate() {
            let (l, r) = if event.is_left { (event, other) } else { (other, event) };
            let (l_number, r_number) = if event.is_left { (n, m) } else { (m, n) };
            let difference = r.timestamp - l.timestamp;
            let meets = event.is_left != other.is_left
                && event.key == other.key
                && (-windows.before..=windows.after).contains(&difference)
                && is_kept(m, m + 1)
                && is_kept(m, n)
                && (has_met[m] || !(is_outer(other) && over(other, n)));
            if meets {
                (has_met[n], has_met[m]) = (true, true);
                let text = format!("{l_number} {r_number}");
                results.push((n, (key_of(event), text, l.timestamp.max(r.timestamp))));
            }
        }
    }
    for (n, event) in events.iter().enumerate().filter(|(n, event)| is_outer(event) && !has_met[*n]) {
        // At once if it is over already or not kept, else with the first record that says so.
        let told = if is_kept(n, n + 1) { (n..events.len()).find(|at| over(event, *at)) } else { Some(n) };
        if let Some(told) = told {
            let text = if event.is_left { format!("{n} -") } else { format!("- {n}") };
            results.push((told, (key_of(event), text, event.timestamp)));
        }
    }
    results
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Time goes on, with steps back of any size.
    let event = (any::<bool>(), 0..3_u8, 0..8_i64, prop_oneof![3 => Just(0), 2 => 0..15_i64, 1 => 0..60_i64]);
    prop::collection::vec(event, 1..60).prop_map(|steps| {
        let mut time = 100;
        let each = steps.into_iter().map(|(is_left, key, step, back)| {
            time += step;
            Event { is_left, key, timestamp: time - back }
        });
        each.collect()
    })
}

fn windows() -> impl Strategy<Value = Windows> {
    (0..12_i64, 0..12_i64, 0..12_i64).prop_map(|(before, after, grace)| Windows { before, after, grace })
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Inner), Just(Kind::Left), Just(Kind::Outer)]
}

/// Pipes in the events one by one, with restarts before some, and compares what comes with each.
fn check(events: &[Event], kind: Kind, windows: Windows, restarts: &[usize]) -> TestCaseResult {
    let mut driver = TopologyTestDriver::new(define(kind, windows));
    let mut expected: BTreeMap<usize, Vec<Joined>> = BTreeMap::new();
    for (n, result) in naive(events, kind, windows) {
        expected.entry(n).or_default().push(result);
    }
    for (n, event) in events.iter().enumerate() {
        if restarts.contains(&n) {
            driver.restart();
        }
        let topic = if event.is_left { left() } else { right() };
        driver.pipe(&topic, key_of(event), n as i64, event.timestamp);
        let records = driver.records(&output()).into_iter();
        let mut results: Vec<Joined> = records.map(|r| (r.key, r.value.unwrap(), r.timestamp)).collect();
        let mut expected = expected.remove(&n).unwrap_or_default();
        results.sort();
        expected.sort();
        prop_assert_eq!(results, expected, "with record {}: {:?}", n, event);
        let is_late = !is_kept(events, windows, n, n + 1);
        prop_assert_eq!(driver.values(&late()), Vec::from_iter(is_late.then_some(n as i64)), "record {}", n);
    }
    Ok(())
}

/// Whether record `n` is kept when the first `until` records have come.
fn is_kept(events: &[Event], windows: Windows, n: usize, until: usize) -> bool {
    let of_side = events[..until].iter().filter(|event| event.is_left == events[n].is_left);
    let newest = of_side.map(|event| event.timestamp).max().unwrap_or(i64::MIN / 2);
    events[n].timestamp > newest - windows.retention()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_the_naive_join(
        events in events(),
        kind in kinds(),
        windows in windows(),
        restarts in prop::collection::vec(0..60_usize, 0..3),
    ) {
        check(&events, kind, windows, &restarts)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    /// All is there before it is joined, in two runs; every few results a worker goes back to its last commit.
    #[test]
    fn aborts_neither_lose_nor_double_results(
        events in events(),
        kind in kinds(),
        windows in windows(),
        every in 1..12_u64,
    ) {
        let mut stepped = Stepped::new(1, define_with(kind, windows, Faults::every(every, 5)));
        let (first, second) = events.split_at(events.len() / 2);
        let mut order = Vec::new();
        for half in [first, second] {
            let numbered = by_timestamp(half, order.len());
            for (topic, is_left) in [(left(), true), (right(), false)] {
                let half = half.iter().filter(|event| event.is_left == is_left);
                let value = |event: &Event| numbered.iter().find(|(e, _)| std::ptr::eq(*e, event)).unwrap().1 as i64;
                stepped.write(&topic, half.map(|event| Record::new(key_of(event), value(event), event.timestamp)));
            }
            order.extend(numbered.iter().map(|(event, _)| **event));
            stepped.run(1);
        }
        let mut expected: Vec<Joined> = naive(&order, kind, windows).into_iter().map(|(_, result)| result).collect();
        let results = stepped.results(&output()).into_iter().map(|placed| placed.record);
        let mut results: Vec<Joined> = results.map(|r| (r.key, r.value.unwrap(), r.timestamp)).collect();
        expected.sort();
        results.sort();
        prop_assert_eq!(results, expected);
    }
}

/// The order in which a task takes records that lie in its two inputs, each with its number in it: the older of both
/// heads first, left if they are alike.
fn by_timestamp(events: &[Event], mut number: usize) -> Vec<(&Event, usize)> {
    let (mut left, mut right): (VecDeque<&Event>, VecDeque<&Event>) = events.iter().partition(|event| event.is_left);
    let mut order = Vec::new();
    loop {
        let head = |events: &VecDeque<&Event>| events.front().map_or(i64::MAX, |event| event.timestamp);
        let next = if head(&left) <= head(&right) { left.pop_front() } else { right.pop_front() };
        let Some(next) = next else { return order };
        order.push((next, number));
        number += 1;
    }
}

#[test]
fn windows_stay_open_over_a_restart() {
    let windows = Windows { before: 10, after: 10, grace: 5 };
    let mut driver = TopologyTestDriver::new(define(Kind::Outer, windows));
    let pipe = |driver: &mut TopologyTestDriver, topic: Topic<String, i64>, key: &str, value, timestamp| {
        driver.pipe(&topic, key.to_string(), value, timestamp);
        driver.values(&output())
    };
    assert!(pipe(&mut driver, left(), "a", 1, 100).is_empty());
    assert!(pipe(&mut driver, left(), "a", 2, 100).is_empty());
    assert!(pipe(&mut driver, right(), "b", 3, 101).is_empty());
    driver.restart();
    assert_eq!(pipe(&mut driver, right(), "a", 4, 110), ["1 4", "2 4"]);
    driver.restart();
    assert!(pipe(&mut driver, right(), "c", 5, 116).is_empty(), "101 + 10 + 5 is not over");
    driver.restart();
    assert_eq!(pipe(&mut driver, right(), "c", 6, 117), ["- 3"]);
    driver.restart();
    assert_eq!(pipe(&mut driver, left(), "c", 7, 117), ["7 5", "7 6"]);
    assert!(pipe(&mut driver, left(), "d", 8, 1000).is_empty(), "no record is told of twice");
}

#[test]
fn expired_records_leave_the_changelogs() {
    let windows = Windows { before: 10, after: 10, grace: 5 };
    let mut driver = TopologyTestDriver::new(define(Kind::Outer, windows));
    for n in 0..20 {
        driver.pipe(&left(), format!("l{n}"), n, n);
        driver.pipe(&right(), format!("r{n}"), n, n);
    }
    for topic in [left(), right()] {
        driver.pipe(&topic, "end".to_string(), 0, 1000);
    }
    assert_eq!(driver.values(&output()).len(), 41, "each alone, and the two at the end");
    for store in ["join-outer-this-join-store", "join-outer-other-join-store", "join-outer-shared-join-store"] {
        let changelog: Topic<Vec<u8>, Vec<u8>> = Topic::new(format!("test-{store}-changelog"), Bytes, Bytes);
        let last: BTreeMap<_, _> = driver.entries(&changelog).into_iter().collect();
        let left = last.values().flatten().count();
        assert!(last.len() >= 20, "{store}: {} keys", last.len());
        assert_eq!(left, if store.contains("shared") { 0 } else { 1 }, "{store}");
    }
    let changelog: Topic<Vec<u8>, i64> = Topic::new("test-join-outer-this-join-store-changelog", Bytes, Be64);
    driver.restart();
    driver.pipe(&left(), "x".to_string(), 7, 0x0102);
    assert!(driver.entries(&changelog).is_empty(), "a late record is not kept");
    driver.pipe(&left(), "x".to_string(), 7, 1001);
    driver.pipe(&left(), "x".to_string(), 8, 1001);
    let place = [b'x', 0, 0, 0, 0, 0, 0, 3, 233, 0, 0, 0, 0];
    let next = [b'x', 0, 0, 0, 0, 0, 0, 3, 233, 0, 0, 0, 1];
    assert_eq!(driver.entries(&changelog), [(place.to_vec(), Some(7)), (next.to_vec(), Some(8))]);
}

#[test]
fn many_records_in_one_commit_join_as_one_by_one() {
    for partitions in [1, 3] {
        let windows = Windows { before: 10, after: 10, grace: 5 };
        let mut driver = TopologyTestDriver::with_partitions(partitions, define(Kind::Left, windows));
        let record = |n: i64| Record::new(format!("k{}", n % 7), Some(n), n);
        driver.pipe_all(&left(), (0..500).map(record));
        driver.pipe_all(&right(), (500..503).map(record));
        let results = driver.records(&output());
        let met = results.iter().filter(|record| !record.value.as_ref().unwrap().ends_with('-')).count();
        // Records of one key are 7 ms apart: 493 meets 500, 494 meets 501, 495 meets 502.
        assert_eq!(met, 3, "{partitions} partitions");
        driver.restart();
        for n in 0..50 {
            driver.pipe(&left(), format!("end{n}"), 0, 1000);
        }
        let results = [results, driver.records(&output())].concat();
        let alone = results.iter().filter(|record| record.value.as_ref().unwrap().ends_with('-')).count();
        assert_eq!(alone, 500 - 3, "{partitions} partitions");
    }
}

#[test]
fn a_stream_joins_itself() {
    let mut driver = TopologyTestDriver::new(|b| {
        let stream = b.stream(&left());
        let windows = JoinWindows::of_time_difference(Duration::ZERO).after(Duration::from_millis(10));
        let stores = JoinStores::new("self", Utf8, Be64, Be64);
        stream.join_windowed(&stream, windows, stores, |l, r| text(Some(l), Some(r))).to(&output());
    });
    for (value, timestamp) in [(1, 0), (2, 5), (3, 20)] {
        driver.pipe(&left(), "a".to_string(), value, timestamp);
    }
    assert_eq!(driver.values(&output()), ["1 1", "1 2", "2 2", "3 3"]);
}

#[test]
fn unjoined_records_come_when_only_time_moves() {
    let other: Topic<String, i64> = Topic::new("other", Utf8, Be64);
    let source = other.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let windows = JoinWindows::of_time_difference(Duration::from_millis(10));
        let stores = JoinStores::new("join", Utf8, Be64, Be64);
        // The third source is in the same task, and the filter lets nothing of it come to the join.
        let left = b.stream(&left()).merge(&b.stream(&source).filter(|_, _| false));
        left.left_join_windowed(&b.stream(&right()), windows, stores, |l, r| text(Some(l), r)).to(&output());
    });
    driver.pipe(&left(), "a".to_string(), 1, 0);
    driver.pipe(&other, "b".to_string(), 2, 11);
    assert_eq!(driver.values(&output()), ["1 -"]);
}

#[test]
fn null_keys_and_values_have_nothing_to_be_joined_by() {
    let nullable: Topic<Option<String>, Option<i64>> = Topic::new("left", Nullable(Utf8), Nullable(Be64));
    let other: Topic<Option<String>, i64> = Topic::new("right", Nullable(Utf8), Be64);
    let results: Topic<Option<String>, String> = Topic::new("output", Nullable(Utf8), Utf8);
    let (l, r, out) = (nullable.clone(), other.clone(), results.clone());
    let mut driver = TopologyTestDriver::new(move |b| {
        let windows = JoinWindows::of_time_difference(Duration::from_millis(10));
        let stores = JoinStores::new("join", Nullable(Utf8), Nullable(Be64), Be64);
        let joiner = |l: &Option<i64>, r: Option<&i64>| text(l.as_ref(), r);
        b.stream(&l).left_join_windowed(&b.stream(&r), windows, stores, joiner).to(&out);
    });
    driver.pipe(&nullable, None, Some(1), 0);
    driver.pipe(&other, None, 2, 0);
    driver.pipe(&nullable, Some("a".to_string()), None, 0);
    driver.pipe(&other, Some("a".to_string()), 3, 0);
    driver.pipe(&nullable, Some("b".to_string()), Some(4), 1000);
    assert_eq!(driver.entries(&results), [(None, Some("1 -".to_string()))]);
}

#[test]
fn the_count_of_partitions_changes_nothing() {
    let windows = Windows { before: 20, after: 5, grace: 0 };
    let results = [1, 3, 12].map(|partitions| {
        let mut driver = TopologyTestDriver::with_partitions(partitions, define(Kind::Inner, windows));
        for n in 0..200 {
            let topic = if n % 3 == 0 { left() } else { right() };
            driver.pipe(&topic, format!("k{}", n * n % 11), n, n);
        }
        let mut results = driver.entries(&output());
        results.sort();
        results
    });
    assert!(results[0].len() > 50);
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}
