//! Asynchronous calls on threads, with a real runtime, on the broker in memory.

use std::collections::BTreeMap;
use std::io::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Application, Moment, Options};
use millstream_memory::{ClientSettings, MemoryBroker};
use millstream_service::run::{RunOptions, run};

fn input() -> Topic<String, i64> {
    Topic::new("input", Utf8, Be64)
}

fn output() -> Topic<String, i64> {
    Topic::new("output", Utf8, Be64)
}

/// A broker with so many records of different keys.
fn loaded(partitions: i32, records: i64) -> Arc<dyn Broker> {
    let broker = MemoryBroker::new().client(ClientSettings::new("calls"));
    for topic in [input(), output()] {
        let (name, replication_factor) = (topic.name().to_owned(), None);
        let (cleanup_policy, config) = (CleanupPolicy::Delete, BTreeMap::new());
        broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
    }
    let mut writer = RecordWriter::new(&*broker).unwrap();
    for value in 0..records {
        writer.send(&input(), &Record::new(value.to_string(), Some(value), value)).unwrap();
    }
    writer.flush().unwrap();
    broker
}

/// Runs a topology until its input is processed.
fn run_to_end(broker: &Arc<dyn Broker>, workers: usize, define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) {
    let options = Options { workers, until: Some(Moment::End), ..Options::new("calls", "one") };
    let application = Application::new(options, Arc::new(define)).unwrap();
    let options = RunOptions::new(Duration::from_secs(60));
    run(application, broker.clone(), &options, &AtomicBool::new(false), |_| ()).unwrap();
}

fn results(broker: &Arc<dyn Broker>) -> Vec<i64> {
    let read = read_all(&**broker, &output(), Duration::ZERO).unwrap();
    let mut values: Vec<i64> = read.into_iter().filter_map(|placed| placed.record.value).collect();
    values.sort();
    values
}

#[test]
fn calls_are_under_way_at_once_and_all_results_come() {
    const CONCURRENCY: usize = 16;
    const RECORDS: i64 = 400;
    for order in [CallOrder::PerKey, CallOrder::PerPartition, CallOrder::None] {
        let broker = loaded(1, RECORDS);
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let counted = counts.clone();
        run_to_end(&broker, 1, move |b| {
            let counted = counted.clone();
            let call = move |_, value: i64| {
                let counted = counted.clone();
                async move {
                    let (now, most) = &*counted;
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // None ends before so many have begun: were they one after another, this would not end.
                    while most.load(Ordering::SeqCst) < CONCURRENCY {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok::<_, Error>(value)
                }
            };
            b.stream(&input()).map_async("call", AsyncOptions::new(CONCURRENCY).order(order), call).to(&output());
        });
        assert_eq!(counts.1.load(Ordering::SeqCst), CONCURRENCY, "{order:?}");
        assert!(results(&broker).into_iter().eq(0..RECORDS), "{order:?}");
    }
}

/// When calls began first and ended last, and how long they took together.
#[derive(Default)]
struct Spent(Mutex<Option<(Instant, Instant)>>, AtomicU64);

impl Spent {
    fn note(&self, began: Instant) {
        let ended = Instant::now();
        self.1.fetch_add((ended - began).as_micros() as u64, Ordering::Relaxed);
        let mut span = self.0.lock().unwrap();
        let (first, last) = span.unwrap_or((began, ended));
        *span = Some((first.min(began), last.max(ended)));
    }
}

/// Every call has its result and never more are under way than may be, with one task and several, short calls and long ones. Says
/// how many go through in a second: `cargo test --release -p millstream-service --test calls -- --nocapture`. A timer takes
/// its time, too: so it is also said how much of the concurrency was in use.
#[test]
fn no_more_calls_are_under_way_than_may_be() {
    for (partitions, concurrency, ms) in [(1, 32, 10..11), (4, 32, 10..11), (1, 32, 10..190)] {
        for order in [CallOrder::PerKey, CallOrder::PerPartition, CallOrder::None] {
            let at_once = concurrency * partitions as usize;
            let mean = (ms.start + ms.end) / 2;
            let records = 1_000 * at_once as i64 / mean as i64;
            let broker = loaded(partitions, records);
            let spent = Arc::new(Spent::default());
            let (noted, range) = (spent.clone(), ms.clone());
            run_to_end(&broker, 1, move |b| {
                let (noted, ms) = (noted.clone(), range.clone());
                let call = move |_, value: i64| {
                    let noted = noted.clone();
                    let took = Duration::from_millis(ms.start + value as u64 * 7_919 % (ms.end - ms.start));
                    async move {
                        let began = Instant::now();
                        tokio::time::sleep(took).await;
                        noted.note(began);
                        Ok::<_, Error>(value)
                    }
                };
                b.stream(&input()).map_async("call", AsyncOptions::new(concurrency).order(order), call).to(&output());
            });
            assert!(results(&broker).into_iter().eq(0..records));
            let (first, last) = spent.0.lock().unwrap().unwrap();
            let (took, calling) = ((last - first).as_secs_f64(), spent.1.load(Ordering::Relaxed) as f64 / 1e6);
            assert!(calling <= took * at_once as f64, "{calling} s of calls within {took} s, {at_once} at once");
            println!(
                "{partitions} partitions, {concurrency} calls each of {ms:?} ms, {order:?}: {:.0}/s ({:.2} of {}/s); a call \
                 took {:.1} ms, {:.2} of the concurrency was in use",
                records as f64 / took,
                records as f64 / took / (1_000 * at_once) as f64 * mean as f64,
                1_000 * at_once as u64 / mean,
                calling / records as f64 * 1e3,
                calling / took / at_once as f64,
            );
        }
    }
}
