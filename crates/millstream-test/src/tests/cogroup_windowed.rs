//! Windowed aggregates of several streams are those of the streams merged into one, in any order and over restarts.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::dsl::AlignedWindows;
use millstream::prelude::*;
use proptest::prelude::*;

use crate::TopologyTestDriver;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Tumbling,
    Hopping,
    Sliding,
    Sessions,
}

const TEN: Duration = Duration::from_millis(10);
const FOUR: Duration = Duration::from_millis(4);
const GRACE: Duration = Duration::from_millis(6);

/// What a record brings: one of two streams, a key, and a timestamp.
type Input = (bool, u8, i64);

type Output = Vec<Record<Windowed<String>, Option<Vec<i64>>>>;

/// A session's key has the whole window in it, so it serves for the others too.
fn output() -> Topic<Windowed<String>, Vec<i64>> {
    Topic::new("output", SessionWindowed(Utf8), Json)
}

fn left() -> Topic<String, i64> {
    Topic::new("left", Utf8, Be64)
}

/// Numbers as text: a stream of another type.
fn right() -> Topic<String, String> {
    Topic::new("right", Utf8, Utf8)
}

fn push(_: &String, value: i64, list: &mut Vec<i64>) {
    list.push(value);
}

fn extend(_: &String, list: &mut Vec<i64>, more: Vec<i64>) {
    list.extend(more);
}

fn store() -> Store<String, Vec<i64>> {
    Store::new("lists", Utf8, Json)
}

fn number(text: &str) -> i64 {
    text.parse().unwrap()
}

fn cogrouped(b: &TopologyBuilder) -> CogroupedStream<String, Vec<i64>> {
    let right = b.stream(&right()).group_by_key();
    b.stream(&left()).group_by_key().cogroup(push).cogroup(&right, |_, text: String, list| list.push(number(&text)))
}

fn merged(b: &TopologyBuilder) -> GroupedStream<String, i64> {
    b.stream(&left()).merge(&b.stream(&right()).map_values(|text| number(&text))).group_by_key()
}

fn topology(b: &TopologyBuilder, kind: Kind, emit: Emit, cogroup: bool) {
    let aligned = |windows| define_aligned(b, windows, emit, cogroup);
    let table = match kind {
        Kind::Tumbling => aligned(TimeWindows::tumbling(TEN).grace(GRACE)),
        Kind::Hopping => aligned(TimeWindows::hopping(TEN, FOUR).grace(GRACE)),
        Kind::Sliding => define_aligned(b, SlidingWindows::of(TEN).grace(GRACE), emit, cogroup),
        Kind::Sessions => {
            let windows = SessionWindows::inactivity_gap(FOUR).grace(GRACE);
            if cogroup {
                cogrouped(b).windowed_by(windows).emit(emit).aggregate(store(), Vec::new, extend)
            } else {
                merged(b).windowed_by(windows).emit(emit).aggregate(store(), Vec::new, push, extend)
            }
        }
    };
    table.to_stream().to(&output());
}

fn define_aligned(
    b: &TopologyBuilder,
    windows: impl AlignedWindows,
    emit: Emit,
    cogroup: bool,
) -> Table<Windowed<String>, Vec<i64>> {
    if cogroup {
        cogrouped(b).windowed_by(windows).emit(emit).aggregate(store(), Vec::new)
    } else {
        merged(b).windowed_by(windows).emit(emit).aggregate(store(), Vec::new, push)
    }
}

/// What comes out, and how many records were late.
fn run((kind, emit, cogroup): (Kind, Emit, bool), input: &[Input], restarts: &BTreeSet<usize>) -> (Output, u64) {
    let mut driver = TopologyTestDriver::new(move |b| topology(b, kind, emit, cogroup));
    let mut late = 0;
    for (number, (to_left, key, timestamp)) in input.iter().enumerate() {
        if *to_left {
            driver.pipe(&left(), key.to_string(), number as i64, *timestamp);
        } else {
            driver.pipe(&right(), key.to_string(), number.to_string(), *timestamp);
        }
        if restarts.contains(&number) {
            late += driver.late().values().sum::<u64>();
            driver.restart();
        }
    }
    (driver.records(&output()), late + driver.late().values().sum::<u64>())
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Tumbling, Kind::Hopping, Kind::Sliding, Kind::Sessions])
}

fn emits() -> impl Strategy<Value = Emit> {
    prop::sample::select(vec![Emit::OnUpdate, Emit::OnCommit, Emit::OnWindowClose])
}

/// Records that come up to 30 ms late, and one of each stream at the end that closes all other windows.
fn records() -> impl Strategy<Value = Vec<Input>> {
    let record = (any::<bool>(), 0..3_u8, 0..120_i64, 0..30_i64);
    prop::collection::vec(record, 1..40).prop_map(|mut records| {
        records.sort_by_key(|(_, _, time, delay)| time + delay);
        let records = records.into_iter().map(|(to_left, key, time, _)| (to_left, key, time));
        records.chain([(true, 9, 1000), (false, 9, 2000)]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cogrouped_streams_are_aggregated_as_one(
        kind in kinds(),
        emit in emits(),
        records in records(),
        restarts in prop::collection::btree_set(0..42_usize, 0..6),
    ) {
        let (together, late) = run((kind, emit, true), &records, &restarts);
        let expected = run((kind, emit, false), &records, &BTreeSet::new());
        prop_assert!(!together.is_empty());
        prop_assert_eq!((together, late), expected);
    }
}
