use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use millstream::processor::RecordErrorKind::{Process, Read};
use millstream::worker::ErrorAction::{self, DeadLetter, Retry, Skip};
use millstream::worker::RecordRetry;

use super::*;
use crate::tests::{input, output, panic_of};

fn bytes_in() -> Topic<Option<Vec<u8>>, Option<Vec<u8>>> {
    Topic::new("input", Nullable(Bytes), Nullable(Bytes))
}

fn record(key: &str, value: i64) -> Record<String, Option<i64>> {
    Record::new(key.to_owned(), Some(value), 0)
}

fn sums(b: &TopologyBuilder) {
    let read = b.stream(&input()).map_values(swallow);
    read.group_by_key().reduce(Store::new("sums", Utf8, Be64), |a, b| a + b).to_stream().to(&output());
}

#[test]
fn a_dead_letter_is_the_record_as_it_was_with_what_went_wrong() {
    let options = all(ErrorPolicy::DeadLetter, Guarantee::ExactlyOnce);
    let mut driver = TopologyTestDriver::with_options(options, sums);
    let mut headers = Headers::default();
    headers.push("trace", Some(b"x".to_vec()));
    headers.push("trace", None);
    let (key, value) = (Some(b"\xff\xfe".to_vec()), Some(b"short".to_vec()));
    let bad = Record { key: key.clone(), value: Some(value.clone()), timestamp: 9, headers: headers.clone() };
    driver.pipe_record(&bytes_in(), Record::new(Some(b"a".to_vec()), Some(Some(1_i64.to_be_bytes().to_vec())), 5));
    driver.pipe_record(&bytes_in(), bad);
    let letter = driver.dead_letters().remove(0);
    assert_eq!((letter.key, letter.value, letter.timestamp), (key, value, 9));
    let of = |name: &str| {
        let value = letter.headers.last(&format!("millstream.error.{name}")).flatten().unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    assert_eq!(letter.headers.iter().take(2).cloned().collect::<Headers>(), headers);
    assert_eq!([of("topic"), of("partition"), of("offset"), of("timestamp")], ["input", "0", "1", "9"]);
    assert_eq!([of("node"), of("kind"), of("attempts")], ["source-input", "read", "1"]);
    assert!(of("message").contains("the key cannot be read"), "{}", of("message"));
    assert_eq!(driver.aborts(), 0, "what cannot be read has had no effect");
}

#[test]
fn a_record_is_tried_again_as_often_as_is_said() {
    for guarantee in GUARANTEES {
        for (failures, expected) in [(2, vec![1, 2]), (9, vec![1])] {
            let failures = Arc::new(AtomicU32::new(failures));
            let options = move |options: &mut Options| {
                all(ErrorPolicy::Skip, guarantee)(options);
                options.errors.retry = RecordRetry { attempts: 3, backoff_ms: 5_000 };
            };
            let tried = failures.clone();
            let mut driver = TopologyTestDriver::with_options(options, move |b| {
                let tried = tried.clone();
                let fail = move |value| {
                    if value == 2
                        && tried.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
                    {
                        panic!("not yet")
                    }
                    value
                };
                b.stream(&input()).map_values(fail).to(&output())
            });
            driver.pipe_all(&input(), [record("a", 1), record("a", 2)]);
            let mut found = driver.values(&output());
            found.dedup();
            if guarantee == Guarantee::AtLeastOnce {
                found.sort();
                found.dedup();
            }
            assert_eq!(found, expected);
            let left_out = u64::from(expected.len() == 1);
            let counts = counted(&driver);
            assert_eq!(counts.get(&(Process, Retry)), Some(&2));
            assert_eq!(counts.get(&(Process, Skip)).copied().unwrap_or(0), left_out);
        }
    }
}

#[test]
fn while_a_record_waits_to_be_tried_again_other_partitions_go_on() {
    let seen = Arc::new(AtomicU64::new(0));
    let options = |options: &mut Options| {
        options.errors.process = ErrorPolicy::Skip;
        options.errors.retry = RecordRetry { attempts: 2, backoff_ms: 60_000 };
    };
    let log = seen.clone();
    let mut driver = TopologyTestDriver::with_options(options, move |b| {
        let log = log.clone();
        b.stream(&input()).map_values(swallow).to(&output());
        // A task of its own.
        b.stream(&Topic::<String, i64>::new("others", Utf8, Be64))
            .inspect(move |_, _| {
                log.fetch_add(1, Ordering::Relaxed);
            })
            .to(&Topic::new("seen", Utf8, Be64));
    });
    driver.pipe_later(&input(), [record("a", 13), record("a", 14)]);
    driver.pipe_later(&Topic::new("others", Utf8, Be64), [record("b", 1), record("b", 2)]);
    driver.step_for(20);
    assert_eq!(seen.load(Ordering::Relaxed), 2, "the other task is done while this one waits");
    assert!(driver.values(&output()).is_empty(), "and order is kept");
    driver.pipe_all(&input(), []);
    assert_eq!(driver.values(&output()), [14]);
}

#[test]
fn a_function_decides_and_sees_the_record() {
    type Seen = (String, i64, Option<Vec<u8>>, usize, Option<String>, u32);
    let seen: Arc<std::sync::Mutex<Vec<Seen>>> = Arc::default();
    let log = seen.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let log = log.clone();
        b.on_error(move |failed: &FailedRecord<'_>| {
            let key = failed.key.map(<[u8]>::to_vec);
            let node = failed.node.map(str::to_owned);
            log.lock().unwrap().push((
                failed.topic.to_owned(),
                failed.offset,
                key,
                failed.headers.len(),
                node,
                failed.attempts,
            ));
            match failed.key {
                Some(b"skip") => ErrorPolicy::Skip,
                Some(b"fail") => ErrorPolicy::Fail,
                Some(b"panic") => panic!("I cannot decide"),
                _ => ErrorPolicy::DeadLetter,
            }
        });
        sums(b);
    });
    let with_header = |key: &str| {
        let mut record = record(key, 13);
        record.headers.push("h", None);
        record
    };
    driver.pipe_all(&input(), [record("a", 1), with_header("skip"), with_header("letter"), record("a", 2)]);
    assert_eq!(driver.values(&output()), [1, 3]);
    assert_eq!(driver.dead_letters().len(), 1);
    let expected = |offset, key: &str| ("input".into(), offset, Some(key.into()), 1, Some("map-values-1".into()), 1);
    assert_eq!(*seen.lock().unwrap(), [expected(1, "skip"), expected(2, "letter")]);
    let fails = panic_of(|| driver.pipe(&input(), "fail".to_owned(), 13, 0));
    assert!(fails.contains("node map-values-1: panicked"), "{fails}");
}

#[test]
fn a_function_that_panics_stops_the_application_with_both_reasons() {
    let mut driver = TopologyTestDriver::new(move |b| {
        b.on_error(|_| panic!("I cannot decide"));
        sums(b);
    });
    let message = panic_of(|| driver.pipe(&input(), "a".to_owned(), 13, 0));
    for word in ["topic input, partition 0, offset 0, node map-values-1", "poison: 13", "I cannot decide"] {
        assert!(message.contains(word), "{message}");
    }
}

/// Counts what it processes, to see how often records are done again.
fn counting(processed: Arc<AtomicU64>) -> impl Fn(&TopologyBuilder) + Send + Sync + 'static {
    move |b| {
        let processed = processed.clone();
        let counted = b.stream(&input()).inspect(move |_, _| {
            processed.fetch_add(1, Ordering::Relaxed);
        });
        let sums = counted.map_values(swallow).group_by_key();
        sums.reduce(Store::new("sums", Utf8, Be64), |a, b| a + b).to_stream().to(&output());
    }
}

#[test]
fn many_bad_records_cost_no_more_than_a_few_good_ones_each() {
    for policy in [ErrorPolicy::Skip, ErrorPolicy::DeadLetter] {
        for guarantee in GUARANTEES {
            // Every tenth is bad; then a flood of nothing but bad ones.
            let mixed = (0..2_000).map(|n| record("a", if n % 10 == 0 { 13 } else { 1 }));
            let flood = (0..500).map(|_| record("a", 33));
            let processed = Arc::new(AtomicU64::new(0));
            let mut driver = TopologyTestDriver::with_options(all(policy, guarantee), counting(processed.clone()));
            driver.pipe_all(&input(), mixed.chain(flood).chain([record("a", 1)]));
            let action = if policy == ErrorPolicy::Skip { Skip } else { DeadLetter };
            assert_eq!(counted(&driver), BTreeMap::from([((Process, action), 700)]));
            assert_eq!(driver.values(&output()).last(), Some(&1801));
            let processed = processed.load(Ordering::Relaxed);
            assert!(processed < 3 * 2_501, "{processed} for 2501 records");
        }
    }
}

#[test]
fn a_flood_of_records_that_cannot_be_read_takes_nothing_back() {
    let options = all(ErrorPolicy::DeadLetter, Guarantee::ExactlyOnce);
    let mut driver = TopologyTestDriver::with_options(options, sums);
    let bad = (0..3_000).map(|n: i32| Record::new(Some(b"a".to_vec()), Some(Some(n.to_be_bytes().to_vec())), 0));
    driver.pipe_all(&bytes_in(), bad);
    driver.pipe(&input(), "a".to_owned(), 1, 0);
    assert_eq!(counted(&driver), BTreeMap::from([((Read, DeadLetter), 3_000)]));
    let letters = driver.dead_letters();
    let values: Vec<i32> =
        letters.iter().map(|l| i32::from_be_bytes(l.value.clone().unwrap().try_into().unwrap())).collect();
    assert_eq!(values, (0..3_000).collect::<Vec<_>>(), "in their order");
    assert_eq!((driver.aborts(), driver.values(&output())), (0, vec![1]));
}

#[test]
fn what_is_left_out_is_counted_once_however_often_commits_fail() {
    let options = all(ErrorPolicy::DeadLetter, Guarantee::ExactlyOnce);
    let mut driver = TopologyTestDriver::with_options(options, sums);
    driver.refuse_next_commit();
    driver.pipe_all(&input(), [record("a", 1), record("a", 13), record("a", 2)]);
    driver.refuse_commit(2);
    driver.pipe_all(&input(), [record("a", 33), record("a", 33), record("a", 3)]);
    assert_eq!(counted(&driver), BTreeMap::from([((Process, DeadLetter), 3)]));
    assert_eq!(driver.dead_letters().len(), 3);
    assert_eq!(driver.values(&output()), [1, 3, 6]);
}

struct Ticker {
    panics: bool,
    kind: PunctuationType,
}

impl Processor for Ticker {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, String, i64>,
        record: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        context.forward(record)
    }

    fn schedule(&self) -> Vec<Punctuation> {
        vec![Punctuation { kind: self.kind, interval: Duration::from_millis(100) }]
    }

    fn punctuate(
        &self,
        _: &mut ProcessorContext<'_, '_, String, i64>,
        _: Punctuation,
        _: Timestamp,
    ) -> Result<(), ProcessError> {
        assert!(!self.panics, "tick");
        Err(ProcessError::new("tock"))
    }
}

#[test]
fn a_punctuation_that_fails_is_tried_again_and_then_names_its_node() {
    for panics in [false, true] {
        for kind in [PunctuationType::StreamTime, PunctuationType::WallClock] {
            let options = |options: &mut Options| {
                all(ErrorPolicy::Skip, Guarantee::ExactlyOnce)(options);
                options.errors.retry = RecordRetry { attempts: 3, backoff_ms: 1_000 };
            };
            let mut driver = TopologyTestDriver::with_options(options, move |b| {
                b.stream(&input()).process("ticker", Ticker { panics, kind }, &[]).to(&output())
            });
            let message = panic_of(|| {
                driver.pipe(&input(), "a".to_owned(), 1, 50);
                driver.pipe(&input(), "a".to_owned(), 2, 150);
                for _ in 0..100 {
                    driver.advance(Duration::from_millis(1_000));
                }
            });
            let reason = if panics { "tick" } else { "tock" };
            for word in ["punctuation", "topic input, partition 0", "node ticker", reason] {
                assert!(message.contains(word), "{message}");
            }
            assert_eq!(counted(&driver)[&(Process, Retry)], 2);
            assert_eq!(counted(&driver)[&(Process, ErrorAction::Fail)], 1);
        }
    }
}

#[test]
fn a_record_with_several_inputs_is_left_out_in_its_turn() {
    let other = || Topic::<String, i64>::new("other", Utf8, Be64);
    let options = all(ErrorPolicy::DeadLetter, Guarantee::ExactlyOnce);
    let mut driver = TopologyTestDriver::with_options(options, move |b| {
        b.stream(&input()).merge(&b.stream(&other())).map_values(swallow).to(&output())
    });
    let at = |value: i64, timestamp| Record::new("a".to_owned(), Some(value), timestamp);
    driver.pipe_later(&input(), [at(1, 1), at(13, 3), at(5, 5)]);
    driver.pipe_later(&other(), [at(2, 2), at(33, 4), at(6, 6)]);
    driver.pipe_all(&input(), []);
    assert_eq!(driver.values(&output()), [1, 2, 5, 6]);
    let letters: Vec<i64> = driver.dead_letters().iter().map(|letter| letter.timestamp).collect();
    assert_eq!(letters, [3, 4]);
}

#[test]
fn a_restart_in_the_middle_leaves_out_what_was_left_out() {
    let options = all(ErrorPolicy::DeadLetter, Guarantee::ExactlyOnce);
    let mut driver = TopologyTestDriver::with_options(options, sums);
    driver.pipe_later(&input(), (0..200).map(|n| record("a", if n % 7 == 3 { 13 } else { 1 })));
    let bad = (0..200).filter(|n| n % 7 == 3).count();
    // A few steps at a time, each time with empty memory.
    for steps in 1..12 {
        driver.step_for(steps);
        driver.restart_unsettled();
    }
    driver.pipe_all(&input(), []);
    assert_eq!(driver.dead_letters().len(), bad);
    assert_eq!(driver.values(&output()), (1..=200 - bad as i64).collect::<Vec<_>>());
}

#[test]
fn dead_letters_get_the_topic_that_is_set_and_none_without_need() {
    let plain = TopologyTestDriver::new(sums);
    assert!(!plain.has_topic("test-dead-letters"));
    let skipping = TopologyTestDriver::with_options(all(ErrorPolicy::Skip, Guarantee::ExactlyOnce), sums);
    assert!(!skipping.has_topic("test-dead-letters"));
    let options = |options: &mut Options| {
        options.errors.read = ErrorPolicy::DeadLetter;
        options.errors.dead_letter_topic = Some("lost".to_owned());
    };
    let mut driver = TopologyTestDriver::with_options(options, sums);
    assert!(driver.has_topic("lost") && !driver.has_topic("test-dead-letters"));
    driver.pipe_record(&bytes_in(), Record::new(None, Some(None), 0));
    assert_eq!(driver.dead_letters().len(), 1);
}
