//! Whatever fails: the results, and what comes after a restart, are as if the record had not been there.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::processor::RecordErrorKind::{self, Process, Read, Write};
use millstream::worker::ErrorAction;

use super::*;
use crate::tests::{input, output};

/// A topology with a place that fails, by name, and what its failures are.
type Place = (&'static str, RecordErrorKind, fn(&TopologyBuilder));

fn texts() -> Topic<String, String> {
    Topic::new("texts", Utf8, Utf8)
}

fn other() -> Topic<String, i64> {
    Topic::new("other", Utf8, Be64)
}

fn sums(name: &'static str) -> Store<String, i64> {
    Store::new(name, Utf8, Be64)
}

fn tell<V: std::fmt::Debug + Clone + 'static>(stream: &Stream<String, V>) {
    stream.map_values(|value| format!("{value:?}")).to(&texts());
}

fn tell_windows<V: std::fmt::Debug + Clone + 'static>(table: &Table<Windowed<String>, V>) {
    tell(&table.to_stream().map(|key, value| (key.key, (key.window.start, value))));
}

/// Puts before it fails.
struct Careless {
    store: KeyValueStore<String, i64>,
    panics: bool,
}

impl Processor for Careless {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        let sum = self.store.get(&record.key).unwrap_or(0) + record.value;
        self.store.put(record.key.clone(), sum, record.timestamp);
        context.forward(record.clone().with_value(sum))?;
        if is_poison(record.value) {
            assert!(!self.panics, "poison");
            return Err(ProcessError::new("poison"));
        }
        Ok(())
    }
}

fn careless(b: &TopologyBuilder, panics: bool) {
    let store = b.store(sums("sums"));
    tell(&b.stream(&input()).process("careless", Careless { store: store.clone(), panics }, &[&store]));
}

/// Sums up what comes through, so that effects that stay would be seen.
fn sum_of(stream: &Stream<String, i64>) {
    tell(&stream.group_by_key().reduce(sums("sums"), |a, b| a + b).to_stream());
}

/// The last value, but that poison stays.
fn stick(last: &i64, value: i64) -> i64 {
    if is_poison(*last) { *last } else { value }
}

const WINDOW: Duration = Duration::from_millis(10);

#[rustfmt::skip]
const PLACES: &[Place] = &[
    ("source serde", Read, |b| sum_of(&b.stream(&Topic::new("input", Utf8, Picky::READER)))),
    ("source serde panics", Process, |b| sum_of(&b.stream(&Topic::new("input", Utf8, Picky::READER.panicking())))),
    ("table serde", Read, |b| tell(&b.table(&Topic::new("input", Utf8, Picky::READER), sums("rows")).to_stream())),
    ("table serde panics", Process, |b| tell(&b.table(&Topic::new("input", Utf8, Picky::READER.panicking()), sums("rows")).to_stream())),
    ("timestamp extractor", Process, |b| {
        sum_of(&b.stream(&input().timestamp_extractor(|_, value, time| swallow(*value) - value + time)));
    }),
    ("timestamp extractor of two inputs", Process, |b| {
        let read = b.stream(&input().timestamp_extractor(|_, value, time| swallow(*value) - value + time));
        sum_of(&read.merge(&b.stream(&other())));
    }),
    ("filter", Process, |b| sum_of(&b.stream(&input()).filter(|_, value| swallow(*value) >= 0))),
    ("map", Process, |b| {
        let mapped = b.stream(&input()).map(|key, value| (key, swallow(value)));
        tell(&mapped.repartition(Topic::new("mapped", Utf8, Be64)));
    }),
    ("inspect behind an aggregate", Process, |b| {
        let sums = b.stream(&input()).group_by_key().aggregate(Store::new("lists", Utf8, Json), Vec::new, |_, value: i64, list: &mut Vec<i64>| list.push(value));
        tell(&sums.to_stream().inspect(|_, list: &Option<Vec<i64>>| assert!(!is_poison(*list.as_ref().unwrap().last().unwrap()))));
    }),
    ("iterator of flat_map", Process, |b| {
        let twice = b.stream(&input()).flat_map_values(|value| (0..2).map(move |n| if n == 1 { swallow(value) } else { value }));
        sum_of(&twice);
    }),
    ("second child", Process, |b| {
        let stream = b.stream(&input());
        sum_of(&stream);
        stream.map_values(swallow).to(&output());
    }),
    ("split", Process, |b| {
        let mut split = b.stream(&input()).split();
        sum_of(&split.branch(|_, value| swallow(*value) % 2 == 0));
        split.otherwise().to(&output());
    }),
    ("reducer", Process, |b| {
        tell(&b.stream(&input()).group_by_key().reduce(sums("sums"), |sum, value| { let sum = sum + value; swallow(value); sum }).to_stream());
    }),
    ("aggregator", Process, |b| {
        let lists = b.stream(&input()).group_by_key().aggregate(Store::new("lists", Utf8, Json), Vec::new, |_, value: i64, list: &mut Vec<i64>| {
            list.push(value);
            swallow(value);
        });
        tell(&lists.to_stream());
    }),
    ("aggregator of a new key", Process, |b| {
        let by_value = b.stream(&input()).group_by(Topic::new("by", Utf8, Be64), |key, value| format!("{key}{value}"));
        tell(&by_value.aggregate(Store::new("lists", Utf8, Json), Vec::new, |_, value: i64, list: &mut Vec<i64>| {
            list.push(value);
            swallow(value);
        }).to_stream());
    }),
    ("tumbling windows", Process, |b| {
        let windows = b.stream(&input()).group_by_key().windowed_by(TimeWindows::tumbling(WINDOW));
        tell_windows(&windows.aggregate(Store::new("lists", Utf8, Json), Vec::new, |_, value: i64, list: &mut Vec<i64>| { list.push(value); swallow(value); }));
    }),
    ("sliding windows", Process, |b| {
        let windows = b.stream(&input()).group_by_key().windowed_by(SlidingWindows::of(WINDOW));
        tell_windows(&windows.aggregate(Store::new("lists", Utf8, Json), Vec::new, |_, value: i64, list: &mut Vec<i64>| { list.push(value); swallow(value); }));
    }),
    ("session windows", Process, |b| {
        let windows = b.stream(&input()).group_by_key().windowed_by(SessionWindows::inactivity_gap(WINDOW));
        tell_windows(&windows.reduce(Store::new("sums", Utf8, Be64), |sum, value| { swallow(value); sum + value }));
    }),
    ("joiner of stream and table", Process, |b| {
        let stream = b.stream(&input());
        let rows = stream.group_by_key().reduce(sums("sums"), |a, b| a + b);
        tell(&stream.left_join(&rows, |value, sum| (swallow(value), sum.copied())));
    }),
    ("windowed join", Process, |b| {
        let stores = JoinStores::new("joined", Utf8, Be64, Be64);
        let stream = b.stream(&input());
        let windows = JoinWindows::of_time_difference(WINDOW);
        tell(&stream.join_windowed(&stream, windows, stores, |left, right| (swallow(*left), swallow(*right))));
    }),
    ("suppress serde", Process, |b| {
        let rows = b.table(&input(), sums("rows"));
        let held = rows.suppress(Suppressed::until_time_limit(WINDOW, millstream::dsl::Bound::unbounded()), Store::new("held", Utf8, Picky::WRITER));
        tell(&held.to_stream());
    }),
    ("deduplicate", Process, |b| sum_of(&b.stream(&input()).deduplicate(Store::new("ids", Be64, Be64), |_, value| swallow(*value), WINDOW))),
    ("count_distinct", Process, |b| {
        tell(&b.stream(&input()).group_by_key().count_distinct(sums("counts"), Picky::WRITER, |_, value| *value).to_stream());
    }),
    ("count_distinct panics", Process, |b| {
        tell(&b.stream(&input()).group_by_key().count_distinct(sums("counts"), Picky::WRITER.panicking(), |_, value| *value).to_stream());
    }),
    ("processor", Process, |b| careless(b, false)),
    ("processor panics", Process, |b| careless(b, true)),
    ("sink serde", Write, |b| b.stream(&input()).to(&Topic::new("output", Utf8, Picky::WRITER))),
    ("sink serde panics", Process, |b| b.stream(&input()).to(&Topic::new("output", Utf8, Picky::WRITER.panicking()))),
    ("partitioner", Process, |b| b.stream(&input()).to_partition(&output(), |_, value, _| i32::from(swallow(*value.unwrap()) < 0))),
    ("partition that is not there", Process, |b| b.stream(&input()).to_partition(&output(), |_, value, _| i32::from(is_poison(*value.unwrap())))),
    ("asynchronous call", Process, |b| {
        let called = b.stream(&input()).map_async("ask", AsyncOptions::new(4).order(CallOrder::PerPartition).retry(Retry::never()), |_, value: i64| async move {
            if is_poison(value) { Err("no answer") } else { Ok(value) }
        });
        sum_of(&called);
    }),
    ("asynchronous call panics", Process, |b| {
        sum_of(&b.stream(&input()).map_async("ask", AsyncOptions::new(4).order(CallOrder::PerPartition).retry(Retry::never()), |_, value: i64| async move { Ok::<_, String>(swallow(value)) }));
    }),
    ("behind an asynchronous call", Process, |b| {
        let called = b.stream(&input()).map_async("ask", AsyncOptions::new(4).order(CallOrder::PerPartition), |_, value: i64| async move { Ok::<_, String>(value) });
        sum_of(&called.map_values(swallow));
    }),
    ("changelog serde", Write, |b| tell(&b.stream(&input()).group_by_key().reduce(Store::new("last", Utf8, Picky::WRITER), stick).to_stream())),
    ("changelog serde panics", Write, |b| {
        tell(&b.stream(&input()).group_by_key().reduce(Store::new("last", Utf8, Picky::WRITER.panicking()), stick).to_stream());
    }),
    ("repartition serde", Write, |b| {
        tell(&b.stream(&input()).group_by(Topic::new("by", Utf8, Picky::WRITER), |key, _| key.clone()).reduce(sums("sums"), |a, b| a + b).to_stream());
    }),
    ("read back from a repartition topic", Read, |b| {
        tell(&b.stream(&input()).group_by(Topic::new("by", Utf8, Picky::READER), |key, _| key.clone()).reduce(sums("sums"), |a, b| a + b).to_stream());
    }),
];

/// What comes of 50 records in two portions with a restart in between; with or without those that are poison.
fn results(
    policy: ErrorPolicy,
    guarantee: Guarantee,
    define: fn(&TopologyBuilder),
    with_poison: bool,
) -> (Vec<(String, Option<String>)>, TopologyTestDriver) {
    let mut driver = TopologyTestDriver::with_options(all(policy, guarantee), define);
    let mut results = Vec::new();
    for portion in [0..25, 25..50] {
        let records = portion.filter(|value| with_poison || !is_poison(*value));
        let key = |value: i64| ["a", "b", "c"][value as usize % 3].to_owned();
        driver.pipe_all(&input(), records.map(|value| Record::new(key(value), Some(value), 3 * value)));
        for topic in ["texts", "output"] {
            if driver.has_topic(topic) {
                let entries = driver.entries(&Topic::new(topic, Utf8, Bytes));
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                results.extend(entries.into_iter().map(|(key, value)| (format!("{topic} {key}"), value.map(text))));
            }
        }
        if with_poison {
            let left_out = driver.errors().values().sum::<u64>();
            // At least once, poison on a repartition topic may be doubled.
            let is_once = guarantee == Guarantee::ExactlyOnce || driver.topology().repartitions.is_empty();
            assert!(left_out == 1 || !is_once && left_out < 5, "{:?}", driver.errors());
            let letters = driver.dead_letters().len() as u64;
            let expected = if policy == ErrorPolicy::DeadLetter { left_out } else { 0 };
            assert!(letters == expected || guarantee == Guarantee::AtLeastOnce && letters >= expected, "{letters}");
        }
        driver.restart();
    }
    (results, driver)
}

fn last_of_each(entries: &[(String, Option<String>)]) -> BTreeMap<&String, &Option<String>> {
    entries.iter().map(|(key, value)| (key, value)).collect()
}

#[test]
fn a_record_that_fails_anywhere_is_as_if_it_had_not_been_there() {
    for (name, kind, define) in PLACES {
        let (expected, _) = results(ErrorPolicy::Fail, Guarantee::ExactlyOnce, *define, false);
        assert!(expected.len() >= 20, "{name}: {}", expected.len());
        for policy in [ErrorPolicy::Skip, ErrorPolicy::DeadLetter] {
            let (found, _) = results(policy, Guarantee::ExactlyOnce, *define, true);
            assert_eq!(found, expected, "{name}, {policy:?}");
            let (found, driver) = results(policy, Guarantee::AtLeastOnce, *define, true);
            // Records on a repartition topic may be doubled.
            if driver.topology().repartitions.is_empty() {
                assert_eq!(last_of_each(&found), last_of_each(&expected), "{name}, {policy:?}, at least once");
            }
        }
        // One look at what it is called.
        let mut driver =
            TopologyTestDriver::with_options(all(ErrorPolicy::DeadLetter, Guarantee::ExactlyOnce), *define);
        driver.pipe(&input(), "a".to_owned(), 3, 6);
        driver.pipe(&input(), "a".to_owned(), 13, 7);
        assert_eq!(counted(&driver), BTreeMap::from([((*kind, ErrorAction::DeadLetter), 1)]), "{name}");
        let letter = driver.dead_letters().remove(0);
        let header = |name: &str| {
            let value = letter.headers.last(&format!("millstream.error.{name}")).flatten();
            value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        assert_eq!(header("kind").as_deref(), Some(kind.as_str()), "{name}");
        // On a repartition topic a marker lies in between.
        assert!(matches!(header("offset").as_deref(), Some("1" | "2")), "{name}");
        assert_eq!(header("attempts").as_deref(), Some("1"), "{name}");
        assert!(header("topic").is_some_and(|topic| topic.contains("input") || topic.contains("repartition")));
        assert!(letter.key.as_ref().is_some_and(|key| key.starts_with(b"a")), "{name}");
        assert_eq!(letter.timestamp, 7, "{name}");
        assert_eq!(letter.value.as_deref(), Some(13_i64.to_be_bytes().as_slice()), "{name}");
    }
}

#[test]
fn with_fail_the_place_is_named_and_nothing_is_done() {
    for (name, _, define) in PLACES {
        for guarantee in GUARANTEES {
            let mut driver = TopologyTestDriver::with_options(all(ErrorPolicy::Fail, guarantee), *define);
            let message = crate::tests::panic_of(|| {
                let records = (0..25).map(|value| Record::new("a".to_owned(), Some(value), 3 * value));
                driver.pipe_all(&input(), records);
            });
            let topic = if message.contains("repartition") { "repartition" } else { "topic input" };
            for word in [topic, "partition 0", "offset 13"] {
                assert!(message.contains(word), "{name}: {word} is not in {message}");
            }
        }
    }
}
