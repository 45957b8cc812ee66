//! Windows against a naive computation, in any order of records, and over restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream::prelude::*;
use proptest::prelude::*;

use crate::TopologyTestDriver;

/// Which windows, all with sizes around 10 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Tumbling,
    Hopping,
    Sliding,
    Sessions,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Emit(Emit),
    Suppress,
    Limit,
}

const SIZE: i64 = 10;
const ADVANCE: i64 = 4;
const GRACE: i64 = 12;

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms as u64)
}

fn input() -> Topic<String, i64> {
    Topic::new("input", Utf8, Be64)
}

fn late() -> Topic<String, i64> {
    Topic::new("late", Utf8, Be64)
}

type Key = Windowed<String>;

/// A serde of the kind's keys.
#[derive(Clone, Copy)]
struct Keys(Kind);

impl Serde<Key> for Keys {
    fn encode(&self, key: &Key, out: &mut Vec<u8>) -> Result<(), millstream::serde::SerdeError> {
        match self.0 {
            Kind::Sessions => SessionWindowed(Utf8).encode(key, out),
            _ => TimeWindowed::new(Utf8, SIZE).encode(key, out),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Key, millstream::serde::SerdeError> {
        match self.0 {
            Kind::Sessions => SessionWindowed(Utf8).decode(bytes),
            _ => TimeWindowed::new(Utf8, SIZE).decode(bytes),
        }
    }
}

fn output(kind: Kind) -> Topic<Key, Vec<i64>> {
    Topic::new("output", Keys(kind), Json)
}

fn totals() -> Topic<String, i64> {
    Topic::new("totals", Utf8, Be64)
}

/// Lists the values of each window.
fn topology(b: &TopologyBuilder, kind: Kind, how: How, grouped_again: bool) {
    let emit = match how {
        How::Emit(emit) => emit,
        How::Suppress | How::Limit => Emit::OnUpdate,
    };
    let grouped = b.stream(&input()).group_by_key();
    let lists = || Store::new("lists", Utf8, Json);
    let push = |_: &String, value: i64, list: &mut Vec<i64>| list.push(value);
    let table = match kind {
        Kind::Tumbling | Kind::Hopping => {
            let advance = if kind == Kind::Hopping { ADVANCE } else { SIZE };
            let windows = TimeWindows::hopping(ms(SIZE), ms(advance)).grace(ms(GRACE));
            let windowed = grouped.windowed_by(windows).emit(emit);
            windowed.late().to(&late());
            windowed.aggregate(lists(), Vec::new, push)
        }
        Kind::Sliding => {
            let windowed = grouped.windowed_by(SlidingWindows::of(ms(SIZE)).grace(ms(GRACE))).emit(emit);
            windowed.late().to(&late());
            windowed.aggregate(lists(), Vec::new, push)
        }
        Kind::Sessions => {
            let windowed = grouped.windowed_by(SessionWindows::inactivity_gap(ms(SIZE)).grace(ms(GRACE))).emit(emit);
            windowed.late().to(&late());
            windowed.aggregate(lists(), Vec::new, push, |_, list, more| list.extend(more))
        }
    };
    let table = match how {
        How::Emit(_) => table,
        How::Limit => {
            let until = Suppressed::until_time_limit(ms(7), Bound::records(3).emit_early());
            table.suppress(until, Store::new("buffer", Keys(kind), Json))
        }
        How::Suppress => {
            let until = Suppressed::until_window_closes(Bound::unbounded());
            table.suppress(until, Store::new("buffer", Keys(kind), Json))
        }
    };
    if grouped_again {
        // Each key's windows' lists, added up.
        let lengths = table.group_by(Topic::new("again", Utf8, Be64), |key, list| (key.key.clone(), list.len() as i64));
        lengths.reduce(Store::new("totals", Utf8, Be64), |a, b| a + b, |a, b| a - b).to_stream().to(&totals());
    } else {
        table.to_stream().to(&output(kind));
    }
}

/// A key (0 to 2) and a timestamp; the value is the record's number.
type Input = Vec<(u8, i64)>;
type Output = Vec<Record<Key, Option<Vec<i64>>>>;

fn run(kind: Kind, how: How, input_records: &Input, restarts: &BTreeSet<usize>) -> (Output, Vec<i64>) {
    let mut driver = TopologyTestDriver::new(move |b| topology(b, kind, how, false));
    for (number, (key, timestamp)) in input_records.iter().enumerate() {
        driver.pipe(&input(), key.to_string(), number as i64, *timestamp);
        if restarts.contains(&number) {
            driver.restart();
        }
    }
    (driver.records(&output(kind)), driver.values(&late()))
}

/// The same records, and one so late that all other windows close.
fn and_an_end(mut input: Input) -> Input {
    input.push((9, 10_000));
    input
}

/// The last result of each window but those of the record at the end, and how many results there were.
fn last_results(output: &Output) -> BTreeMap<Key, (usize, BTreeSet<i64>)> {
    let mut results = BTreeMap::new();
    for record in output.iter().filter(|record| record.key.key != "9") {
        let (count, last) = results.entry(record.key.clone()).or_insert((0, None));
        *count += 1;
        *last = record.value.clone();
    }
    let results = results.into_iter().filter_map(|(key, (count, last))| {
        let last = last?;
        let set: BTreeSet<i64> = last.iter().copied().collect();
        assert_eq!(set.len(), last.len(), "a record is in {key:?} twice");
        Some((key, (count, set)))
    });
    results.collect()
}

/// The windows by their definition: each with the numbers of its records.
fn naive(kind: Kind, input: &Input) -> BTreeMap<Key, BTreeSet<i64>> {
    let mut windows = BTreeMap::new();
    for key in 0..3 {
        let of_key = input.iter().zip(0..).filter(|((of, _), _)| *of == key);
        let mut times: Vec<(i64, i64)> = of_key.map(|((_, time), number)| (*time, number)).collect();
        times.sort_unstable();
        let mut spans = BTreeSet::new();
        for (time, _) in &times {
            match kind {
                Kind::Tumbling => spans.extend([(time - time % SIZE, time - time % SIZE + SIZE - 1)]),
                Kind::Hopping => {
                    let starts = (0..=*time).filter(|start| start % ADVANCE == 0 && start + SIZE > *time);
                    spans.extend(starts.map(|start| (start, start + SIZE - 1)));
                }
                Kind::Sliding => {
                    spans.insert(((time - SIZE).max(0), (time - SIZE).max(0) + SIZE));
                    spans.insert((time + 1, time + 1 + SIZE));
                }
                Kind::Sessions => {}
            }
        }
        if kind == Kind::Sessions {
            let mut open: Option<(i64, i64)> = None;
            for (time, _) in &times {
                match &mut open {
                    Some((_, end)) if *time - *end <= SIZE => *end = *time,
                    _ => {
                        spans.extend(open.take());
                        open = Some((*time, *time));
                    }
                }
            }
            spans.extend(open);
        }
        for (start, last) in spans {
            let within = times.iter().filter(|(time, _)| (start..=last).contains(time));
            let numbers: BTreeSet<i64> = within.map(|(_, number)| *number).collect();
            if !numbers.is_empty() {
                let end = if matches!(kind, Kind::Tumbling | Kind::Hopping) { start + SIZE } else { last };
                windows.insert(Windowed { key: key.to_string(), window: Window { start, end } }, numbers);
            }
        }
    }
    windows
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Tumbling, Kind::Hopping, Kind::Sliding, Kind::Sessions])
}

fn hows() -> impl Strategy<Value = How> {
    prop::sample::select(vec![
        How::Emit(Emit::OnUpdate),
        How::Emit(Emit::OnCommit),
        How::Emit(Emit::OnWindowClose),
        How::Suppress,
        How::Limit,
    ])
}

/// Records that come up to `disorder` ms behind the largest timestamp before them.
fn records(disorder: i64) -> impl Strategy<Value = Input> {
    let record = (0..3_u8, 0..120_i64, 0..=disorder);
    prop::collection::vec(record, 1..40).prop_map(|mut records| {
        records.sort_by_key(|(_, time, delay)| time + delay);
        records.into_iter().map(|(key, time, _)| (key, time)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order, as long as nothing comes later than the grace, the windows are those of the definition; and final
    /// results come once.
    #[test]
    fn windows_are_as_defined(kind in kinds(), how in hows(), records in records(GRACE - 1)) {
        let (output, late) = run(kind, how, &and_an_end(records.clone()), &BTreeSet::new());
        prop_assert!(late.is_empty());
        let results = last_results(&output);
        let windows: BTreeMap<_, _> = results.iter().map(|(key, (_, set))| (key.clone(), set.clone())).collect();
        prop_assert_eq!(windows, naive(kind, &records));
        if how == How::Suppress || how == How::Emit(Emit::OnWindowClose) {
            prop_assert!(results.values().all(|(count, _)| *count == 1));
            let of_others = output.iter().filter(|record| record.key.key != "9").count();
            prop_assert_eq!(of_others, results.len(), "nothing but final results");
        }
    }

    /// Restarts change nothing: not what comes, nor its order, nor its times, nor what is late.
    #[test]
    fn restarts_change_nothing(
        kind in kinds(),
        how in hows(),
        records in records(3 * GRACE),
        restarts in prop::collection::btree_set(0..40_usize, 1..8),
    ) {
        let records = and_an_end(records);
        prop_assert_eq!(run(kind, how, &records, &restarts), run(kind, how, &records, &BTreeSet::new()));
    }

    /// What is emitted on close is what updates came to, and what a suppress lets through.
    #[test]
    fn final_results_are_the_last_updates(kind in kinds(), records in records(2 * GRACE)) {
        let records = and_an_end(records);
        let run = |how| run(kind, how, &records, &BTreeSet::new());
        let (updates, late) = run(How::Emit(Emit::OnUpdate));
        let (finals, late_of_finals) = run(How::Emit(Emit::OnWindowClose));
        prop_assert_eq!(late, late_of_finals);
        let sets = |output: &Output| last_results(output).into_iter().map(|(k, (_, set))| (k, set)).collect::<Vec<_>>();
        prop_assert_eq!(sets(&updates), sets(&finals));
        let mut order: Vec<_> = finals.iter().map(|record| record.key.clone()).collect();
        let emitted = order.clone();
        order.sort_by_key(|key| (key.window.end, key.window.start, key.key.clone()));
        prop_assert_eq!(emitted, order);
    }

    /// What is grouped by another key behind windows takes back what each window was before.
    #[test]
    fn grouped_again_each_window_counts_as_it_is_now(kind in kinds(), how in hows(), records in records(2 * GRACE)) {
        let records = and_an_end(records);
        let mut driver = TopologyTestDriver::new(move |b| topology(b, kind, how, true));
        for (number, (key, timestamp)) in records.iter().enumerate() {
            driver.pipe(&input(), key.to_string(), number as i64, *timestamp);
        }
        let last: BTreeMap<_, _> = driver.entries(&totals()).into_iter().filter(|(key, _)| key != "9").collect();
        let mut expected = BTreeMap::new();
        for (key, (_, list)) in last_results(&run(kind, how, &records, &BTreeSet::new()).0) {
            *expected.entry(key.key).or_insert(Some(0)).as_mut().unwrap() += list.len() as i64;
        }
        prop_assert_eq!(last, expected);
    }
}
