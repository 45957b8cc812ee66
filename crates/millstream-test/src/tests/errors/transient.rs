//! Serdes that cannot say yet, as what they ask does not answer: nothing is skipped, and nothing lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millstream::serde::SerdeError;
use millstream::worker::Application;

use super::*;
use crate::tests::{input, output, panic_of};

const POLICIES: [ErrorPolicy; 3] = [ErrorPolicy::Fail, ErrorPolicy::Skip, ErrorPolicy::DeadLetter];

/// Says "not now" of the value 7, so many times, when it reads or writes it.
#[derive(Clone)]
struct Waiting {
    reads: Arc<AtomicU32>,
    writes: Arc<AtomicU32>,
    checks: Result<(), SerdeError>,
}

impl Waiting {
    fn new(reads: u32, writes: u32) -> Self {
        Waiting { reads: Arc::new(reads.into()), writes: Arc::new(writes.into()), checks: Ok(()) }
    }

    fn ask(left: &AtomicU32, value: i64) -> Result<(), SerdeError> {
        let is_away =
            value == 7 && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if is_away { Err(SerdeError::transient("the registry is away")) } else { Ok(()) }
    }

    fn is_answered(&self) -> bool {
        self.reads.load(Ordering::Relaxed) + self.writes.load(Ordering::Relaxed) == 0
    }
}

impl Serde<i64> for Waiting {
    fn encode(&self, value: &i64, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        Waiting::ask(&self.writes, *value)?;
        Be64.encode(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<i64, SerdeError> {
        let value = Be64.decode(bytes)?;
        Waiting::ask(&self.reads, value)?;
        Ok(value)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.checks.clone()
    }
}

fn records(values: [i64; 4]) -> Vec<Record<String, Option<i64>>> {
    values.map(|value| Record::new("a".to_owned(), Some(value), 0)).into()
}

#[test]
fn a_record_that_cannot_be_read_or_written_yet_is_waited_for_whatever_the_policy() {
    for guarantee in GUARANTEES {
        for policy in POLICIES {
            // Read by a source, written to a sink, written to a changelog.
            for (of_source, of_sink, of_store) in [(3, 0, 0), (0, 3, 0), (0, 0, 3)] {
                let source = Waiting::new(of_source, 0);
                let sink = Waiting::new(0, of_sink);
                let store = Waiting::new(0, of_store);
                let serdes = [source.clone(), sink.clone(), store.clone()];
                let mut driver = TopologyTestDriver::with_options(all(policy, guarantee), move |b| {
                    let input: Topic<String, i64> = Topic::new("input", Utf8, source.clone());
                    let read = b.stream(&input).group_by_key();
                    let sums = read.reduce(Store::new("sums", Utf8, store.clone()), |_, new| new);
                    sums.to_stream().to(&Topic::<String, i64>::new("output", Utf8, sink.clone()))
                });
                driver.pipe_all(&input(), records([5, 6, 8, 7]));
                let mut found = driver.values(&output());
                if guarantee == Guarantee::AtLeastOnce {
                    found.dedup();
                    assert!(found.ends_with(&[5, 6, 8, 7]), "{found:?}");
                } else {
                    assert_eq!(found, [5, 6, 8, 7]);
                }
                assert!(serdes.iter().all(Waiting::is_answered));
                assert!(driver.dead_letters().is_empty());
                assert!(counted(&driver).is_empty(), "no error of a record: {:?}", counted(&driver));
                assert!(driver.aborts() >= 1 || guarantee == Guarantee::AtLeastOnce);
            }
        }
    }
}

#[test]
fn a_restore_goes_on_at_the_row_that_could_not_be_read() {
    for policy in POLICIES {
        let store = Waiting::new(0, 0);
        let reads = store.reads.clone();
        let rows = Waiting { reads: reads.clone(), ..Waiting::new(0, 0) };
        let mut driver =
            TopologyTestDriver::with_options(all(policy, Guarantee::ExactlyOnce), move |b| {
                let counts = b.stream(&input()).group_by(Topic::new("by-value", Be64, Be64), |_, value: &i64| *value);
                counts
                    .reduce(Store::new("values", Be64, rows.clone()), |old, new| old + new - 7)
                    .to_stream()
                    .to(&Topic::<i64, i64>::new("output", Be64, Be64))
            });
        driver.pipe_all(&input(), records([5, 7, 8, 9]));
        assert_eq!(driver.values(&Topic::<i64, i64>::new("output", Be64, Be64)), [5, 7, 8, 9]);
        reads.store(4, Ordering::Relaxed);
        driver.restart();
        assert_eq!(reads.load(Ordering::Relaxed), 0, "the restore waited for it");
        driver.pipe_all(&input(), records([5, 7, 8, 9]));
        let again = driver.values(&Topic::<i64, i64>::new("output", Be64, Be64));
        assert_eq!(again, [3, 7, 9, 11], "what was restored goes on: {again:?}");
    }
}

#[test]
fn a_global_table_is_read_on_at_the_row_that_could_not_be_read() {
    for policy in POLICIES {
        let rows = Waiting::new(2, 0);
        let reads = rows.reads.clone();
        let of_table = Topic::<String, i64>::new("names", Utf8, Be64);
        let mut driver = TopologyTestDriver::with_options(all(policy, Guarantee::ExactlyOnce), move |b| {
            let table = b.global_table(&Topic::new("names", Utf8, rows.clone()), "names");
            let joined =
                b.stream(&input()).join_global(&table, |key, _| key.clone(), |value, of_table| value + of_table);
            joined.to(&output())
        });
        driver.pipe(&of_table, "a".to_owned(), 7, 0);
        driver.pipe(&input(), "a".to_owned(), 100, 0);
        assert_eq!(reads.load(Ordering::Relaxed), 0);
        assert_eq!(driver.values(&output()), [107]);
    }
}

#[test]
fn sinks_are_asked_before_the_first_record() {
    let asked = |checks: Result<(), SerdeError>| {
        let serde = Waiting { checks, ..Waiting::new(0, 0) };
        let define =
            move |b: &TopologyBuilder| b.stream(&input()).to(&Topic::new("output", Nullable(Utf8).0, serde.clone()));
        let application = Application::new(Options::new("app", "a"), Arc::new(define)).unwrap();
        application.check_writable()
    };
    assert_eq!(asked(Ok(())), Ok(()));
    let refused = asked(Err(SerdeError::new("schema not compatible"))).unwrap_err();
    assert_eq!(refused.to_string(), "the topology is not valid: sink output: schema not compatible");
    let not_now = asked(Err(SerdeError::transient("away"))).unwrap_err();
    let millstream::worker::StartError::Broker(not_now) = not_now else { panic!("{not_now}") };
    assert_eq!((not_now.kind, not_now.message.as_str()), (millstream::broker::ErrorKind::Retry, "away"));
}

/// What `define` is told when its stores' values are of a serde that says this.
/// A topology with the store that is asked.
type WithStore = fn(&TopologyBuilder, Store<String, i64>);

fn asked_of_stores(checks: Result<(), SerdeError>, define: WithStore) -> Result<(), String> {
    let serde = Waiting { checks, ..Waiting::new(0, 0) };
    let define = move |b: &TopologyBuilder| define(b, Store::new("s", Utf8, serde.clone()));
    let application = Application::new(Options::new("app", "a"), Arc::new(define)).unwrap();
    application.check_writable().map_err(|error| error.to_string())
}

#[test]
fn stores_with_a_changelog_are_asked_before_the_first_record() {
    const SECOND: Duration = Duration::from_secs(1);
    let kinds: [WithStore; 6] = [
        |b, store| drop(b.stream(&input()).group_by_key().reduce(store, |_, new| new)),
        |b, store| {
            let windows = b.stream(&input()).group_by_key().windowed_by(TimeWindows::tumbling(SECOND));
            windows.reduce(store, |_, new| new);
        },
        |b, store| {
            let windows = b.stream(&input()).group_by_key().windowed_by(SlidingWindows::of(SECOND));
            windows.reduce(store, |_, new| new);
        },
        |b, store| {
            let windows = b.stream(&input()).group_by_key().windowed_by(SessionWindows::inactivity_gap(SECOND));
            windows.reduce(store, |_, new| new);
        },
        |b, store| drop(b.versioned_table(&input(), store, SECOND)),
        |b, store| {
            let table = b.table(&input(), Store::new("table", Utf8, Be64));
            table.suppress(Suppressed::until_time_limit(SECOND, Bound::unbounded()), store);
        },
    ];
    for (kind, define) in kinds.into_iter().enumerate() {
        assert_eq!(asked_of_stores(Ok(()), define), Ok(()), "{kind}");
        let refused = asked_of_stores(Err(SerdeError::new("schema not compatible")), define).unwrap_err();
        let expected = "store s, whose changelog is app-s-changelog: schema not compatible";
        assert!(refused.ends_with(expected), "{kind}: {refused}");
    }
    let in_memory = |b: &TopologyBuilder, store: Store<String, i64>| {
        b.stream(&input()).group_by_key().reduce(store.without_changelog(), |_, new| new);
    };
    assert_eq!(asked_of_stores(Err(SerdeError::new("never written")), in_memory), Ok(()));
}

#[test]
fn what_is_refused_for_good_still_fails() {
    let failed = panic_of(|| {
        let mut driver = TopologyTestDriver::new(|b| b.stream(&input()).to(&Topic::new("output", Utf8, Picky::WRITER)));
        driver.pipe(&input(), "a".to_owned(), 13, 0);
    });
    assert!(failed.contains("the value cannot be written: 13 is poison"), "{failed}");
}
