//! Asynchronous calls: order, concurrency, timeouts, retries, errors, time and restarts.

mod crashes;
mod faulty;
mod leaving;
mod stepped;

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::prelude::*;
use tokio::time::sleep;

use super::{Ticker, input, output, panic_of};
use crate::TopologyTestDriver;

fn record(key: &str, value: i64, timestamp: Timestamp) -> Record<String, Option<i64>> {
    Record::new(key.to_string(), Some(value), timestamp)
}

/// Answers with the value after so many ms.
async fn after(ms: i64, value: i64) -> Result<i64, Error> {
    sleep(Duration::from_millis(ms as u64)).await;
    Ok(value)
}

/// Counts how many of it there are, and how many there were at most.
#[derive(Clone, Default)]
struct InFlight(Arc<(AtomicUsize, AtomicUsize)>);

impl InFlight {
    async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let (now, most) = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let done = work.await;
        now.fetch_sub(1, Ordering::SeqCst);
        done
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// Values of the keys a, b, a, c, whose calls take the shorter the later they are.
fn results(order: CallOrder) -> Vec<i64> {
    let mut driver = TopologyTestDriver::new(move |b| {
        let options = AsyncOptions::new(10).order(order);
        b.stream(&input()).map_async("reverse", options, |_, value| after(50 - 10 * value, value)).to(&output());
    });
    let records = [("a", 1), ("b", 2), ("a", 3), ("c", 4)];
    driver.pipe_all(&input(), records.map(|(key, value)| record(key, value, value)));
    driver.values(&output())
}

#[test]
fn results_come_in_the_order_chosen() {
    assert_eq!(results(CallOrder::None), [4, 3, 2, 1]);
    assert_eq!(results(CallOrder::PerPartition), [1, 2, 3, 4]);
    assert_eq!(results(CallOrder::PerKey), [4, 2, 1, 3], "3 begins when 1 is done, after 40 ms, and takes 20 ms");
}

#[test]
fn so_many_calls_are_under_way_and_no_more() {
    for (order, concurrency) in [(CallOrder::None, 7), (CallOrder::PerPartition, 7), (CallOrder::PerKey, 7)] {
        let in_flight = InFlight::default();
        let counted = in_flight.clone();
        let mut driver = TopologyTestDriver::new(move |b| {
            let (options, in_flight) = (AsyncOptions::new(concurrency).order(order), counted.clone());
            let call = move |_, value| in_flight.clone().during(after(1 + value % 5, value));
            b.stream(&input()).map_async("slow", options, call).to(&output());
        });
        driver.pipe_all(&input(), (0..200).map(|n| record(&format!("key-{}", n % 50), n, n)));
        let mut results = driver.values(&output());
        results.sort();
        assert!(results.into_iter().eq(0..200), "{order:?}");
        assert_eq!(in_flight.most(), concurrency, "{order:?}");
    }
}

#[test]
fn calls_for_one_key_never_overlap_and_keep_their_order() {
    let in_flight = InFlight::default();
    let counted = in_flight.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let in_flight = counted.clone();
        let call = move |_, value| in_flight.clone().during(after(30 - value % 30, value));
        b.stream(&input()).map_async("slow", AsyncOptions::new(8), call).to(&output());
    });
    driver.pipe_all(&input(), (0..100).map(|n| record("one", n, n)));
    assert!(driver.values(&output()).into_iter().eq(0..100));
    assert_eq!(in_flight.most(), 1);
}

/// A topology whose call fails in so many attempts, by an error or by not answering.
fn failing(attempts: usize, by_silence: bool, retry: Retry) -> (TopologyTestDriver, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::default());
    let counted = begun.clone();
    let driver = TopologyTestDriver::new(move |b| {
        let options = AsyncOptions::new(4).timeout(Duration::from_secs(3)).retry(retry);
        let begun = counted.clone();
        let call = move |_, value: i64| {
            let fails = begun.fetch_add(1, Ordering::SeqCst) < attempts;
            async move {
                match (fails, by_silence) {
                    (true, true) => std::future::pending().await,
                    (true, false) => Err(Error::new(ErrorKind::ConnectionRefused, "no connection")),
                    (false, _) => Ok(value * 10),
                }
            }
        };
        b.stream(&input()).map_async("lookup", options, call).to(&output());
    });
    (driver, begun)
}

#[test]
fn a_call_that_fails_or_does_not_answer_is_tried_again() {
    for by_silence in [false, true] {
        let (mut driver, begun) = failing(2, by_silence, Retry::default());
        driver.pipe(&input(), "a".to_string(), 4, 0);
        assert_eq!(driver.values(&output()), [40]);
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_record_whose_call_fails_in_all_attempts_is_named() {
    let place = "topic input, partition 0, offset 1, node lookup: ";
    for (by_silence, retry, reason) in [
        (false, Retry::default(), "3 attempts failed; the last one: no connection"),
        (true, Retry::default(), "3 attempts failed; the last one: no answer within 3s"),
        (false, Retry::never(), "no connection"),
    ] {
        let (mut driver, begun) = failing(usize::MAX, by_silence, retry);
        let message = panic_of(|| driver.pipe_all(&input(), [record("a", 1, 0)]));
        assert!(message.contains("offset 0"), "{message}");
        assert_eq!(begun.load(Ordering::SeqCst), retry.attempts as usize);
        // The first of the two is answered.
        let mut driver = TopologyTestDriver::new(move |b| {
            let options = AsyncOptions::new(4).timeout(Duration::from_secs(3)).retry(retry);
            let call = move |_, value: i64| async move {
                match value {
                    1 => Ok(1),
                    _ if by_silence => std::future::pending().await,
                    _ => Err(Error::new(ErrorKind::ConnectionRefused, "no connection")),
                }
            };
            b.stream(&input()).map_async("lookup", options, call).to(&output());
        });
        let message = panic_of(|| driver.pipe_all(&input(), [record("a", 1, 0), record("b", 2, 0)]));
        assert!(message.ends_with(&format!("{place}{reason}")), "{message}");
    }
}

#[test]
fn a_call_that_panics_is_an_error_of_its_record() {
    let mut driver = TopologyTestDriver::new(|b| {
        let call = |_, value: i64| async move { if value == 7 { panic!("seven") } else { Ok::<_, Error>(value) } };
        b.stream(&input()).map_async("lookup", AsyncOptions::new(4), call).to(&output());
    });
    let message = panic_of(|| driver.pipe_all(&input(), [record("a", 1, 0), record("b", 7, 0)]));
    for part in ["topic input, partition 0, offset 1, node lookup", "panicked"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

/// What is behind a call works with the state and the time of the worker's thread.
#[test]
fn time_does_not_pass_a_record_whose_call_is_not_done() {
    let counts: Topic<Windowed<String>, i64> = Topic::new("counts", TimeWindowed::new(Utf8, 10), Be64);
    let to = counts.clone();
    let mut driver = TopologyTestDriver::new(move |b| {
        let options = AsyncOptions::new(10).order(CallOrder::None);
        b.stream(&input())
            .map_async("slow-first", options, |_, value| after(value, value))
            .group_by_key()
            .windowed_by(TimeWindows::tumbling(Duration::from_millis(10)))
            .count(Store::new("by-window", Utf8, Be64))
            .to_stream()
            .to(&to);
    });
    // Each record's window would be over, and its result too late, by the time of the next ones.
    driver.pipe_all(&input(), (0..20).map(|n| record("a", 500 - 20 * n, n * 20)));
    let mut starts: Vec<i64> = driver.entries(&counts).iter().map(|(key, _)| key.window.start).collect();
    starts.sort();
    assert_eq!(starts, (0..20).map(|n| n * 20).collect::<Vec<_>>());
    // And then it does.
    driver.pipe(&input(), "a".to_string(), 0, 0);
    assert!(driver.entries(&counts).is_empty(), "late");
}

#[test]
fn state_behind_calls_comes_back_after_a_restart() {
    let mut driver = TopologyTestDriver::new(|b| {
        b.stream(&input())
            .map_async("double", AsyncOptions::new(4), |_, value| after(value, value * 2))
            .group_by_key()
            .reduce(Store::new("sums", Utf8, Be64), |a, b| a + b)
            .to_stream()
            .to(&output());
    });
    driver.pipe_all(&input(), (1..=4).map(|n| record("a", n, n)));
    assert_eq!(driver.values(&output()), [2, 6, 12, 20]);
    driver.restart();
    assert!(driver.values(&output()).is_empty(), "nothing is called for again");
    driver.pipe(&input(), "a".to_string(), 5, 5);
    assert_eq!(driver.values(&output()), [30]);
}

#[test]
fn calls_may_follow_calls() {
    let mut driver = TopologyTestDriver::new(|b| {
        let options = AsyncOptions::new(3).order(CallOrder::PerPartition);
        b.stream(&input())
            .flat_map_async("parts", options, |key: String, value| async move {
                sleep(Duration::from_millis(value as u64 % 3)).await;
                Ok::<_, Error>((0..10).map(move |part| (key.clone(), value * 10 + part)))
            })
            .map_async("each", AsyncOptions::new(2).order(CallOrder::PerPartition), |_, value| after(value % 7, value))
            .to(&output());
    });
    driver.pipe_all(&input(), (0..30).map(|n| record(&n.to_string(), n, n)));
    assert!(driver.values(&output()).into_iter().eq(0..300));
}

#[test]
fn what_punctuations_push_is_called_for_before_the_commit() {
    let mut driver = TopologyTestDriver::new(|b| {
        let counts = b.store(Store::new("counts", Utf8, Be64));
        b.stream(&input())
            .process("ticker", Ticker(counts.clone()), &[&counts])
            .map_async("negate", AsyncOptions::new(4), |_, value: i64| after(1_000, -value))
            .to(&output());
    });
    driver.pipe(&input(), "a".to_string(), 0, 0);
    assert!(driver.values(&output()).is_empty());
    driver.advance(Duration::from_secs(10));
    assert_eq!(driver.values(&output()), [-1]);
}

#[test]
fn headers_and_timestamps_pass_through_calls() {
    let mut driver = TopologyTestDriver::new(|b| {
        b.stream(&input()).map_async("next", AsyncOptions::new(4), |_, value| after(1, value + 1)).to(&output());
    });
    let mut headers = Headers::default();
    headers.push("trace", Some(b"7".to_vec()));
    driver.pipe_record(&input(), Record { headers: headers.clone(), ..record("a", 1, 5) });
    assert_eq!(driver.records(&output()), [Record { headers, ..record("a", 2, 5) }]);
}

#[test]
fn an_operator_that_could_never_call_is_refused() {
    let message = panic_of(|| {
        TopologyTestDriver::new(|b| {
            b.stream(&input()).map_async("none", AsyncOptions::new(0), |_, value| after(1, value)).to(&output());
        });
    });
    assert!(message.contains("map-async none: concurrency and attempts must be at least 1"), "{message}");
}

/// What is held back until a commit is called for within that commit; and so is what comes of that, and is held back behind.
#[test]
fn what_is_held_back_until_a_commit_is_called_for_before_it() {
    let mut driver = TopologyTestDriver::new(move |b| {
        let held_back = b.stream(&input()).group_by_key().emit(Emit::OnCommit).count(Store::new("first", Utf8, Be64));
        let called = held_back.to_stream().map_async("call", AsyncOptions::new(2), |_, count: Option<i64>| {
            let count = count.unwrap_or(0);
            after(count, count)
        });
        called
            .group_by_key()
            .emit(Emit::OnCommit)
            .aggregate(Store::new("second", Utf8, Be64), || 0, |_, count, sum| *sum = *sum * 10 + count)
            .to_stream()
            .to(&output());
    });
    driver.pipe_all(&input(), (0..3).flat_map(|n| ["a", "b", "c"].map(|key| record(key, n, n))));
    let mut entries = driver.entries(&output());
    entries.sort();
    assert_eq!(entries, ["a", "b", "c"].map(|key| (key.to_string(), Some(3))));
    driver.pipe(&input(), "a".to_string(), 0, 5);
    assert_eq!(driver.entries(&output()), [("a".to_string(), Some(34))]);
}
