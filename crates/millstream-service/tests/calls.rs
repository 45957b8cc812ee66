//! Asynchronous calls on threads, with a real runtime, on the broker in memory.

use std::collections::BTreeMap;
use std::io::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Application, Options};
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

/// Runs a topology until its input is processed; returns how long that took.
fn run_to_end(
    broker: &Arc<dyn Broker>,
    workers: usize,
    define: impl Fn(&TopologyBuilder) + Send + Sync + 'static,
) -> Duration {
    let options = Options { workers, ..Options::new("calls", "one") };
    let application = Application::new(options, Arc::new(define)).unwrap();
    let options = RunOptions { until_end: true, shutdown_timeout: Duration::from_secs(60) };
    let since = Instant::now();
    run(application, broker.clone(), &options, &AtomicBool::new(false), |_| ()).unwrap();
    since.elapsed()
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

/// Says how many calls of 10 ms go through in a second: `cargo test -p millstream-service --release --test calls -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement"]
fn throughput() {
    for (partitions, concurrency) in [(1, 32), (1, 256), (4, 32)] {
        for order in [CallOrder::PerKey, CallOrder::PerPartition, CallOrder::None] {
            let at_best = 100 * concurrency as i64 * i64::from(partitions);
            let records = 4 * at_best;
            let broker = loaded(partitions, records);
            let took = run_to_end(&broker, 1, move |b| {
                let call = |_, value: i64| async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Ok::<_, Error>(value)
                };
                b.stream(&input()).map_async("call", AsyncOptions::new(concurrency).order(order), call).to(&output());
            });
            assert!(results(&broker).into_iter().eq(0..records));
            let rate = records as f64 / took.as_secs_f64();
            let share = rate / at_best as f64;
            println!(
                "{partitions} partitions, {concurrency} calls each, {order:?}: {rate:.0}/s, {share:.2} of {at_best}/s"
            );
        }
    }
}
