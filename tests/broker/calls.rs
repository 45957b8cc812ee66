//! Asynchronous calls on a broker, over instances that stop and start.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use millstream::broker::{CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::Guarantee;
use millstream_tests::running::{HANG, Running, until};

use crate::support::{clusters, options, unique};

const PARTITIONS: i32 = 4;
const KEYS: u64 = 50;
const RECORDS: u64 = 2_000;

/// Answers after it was asked a few times, so that calls end in another order than they began.
async fn slow(value: i64) -> Result<i64, Infallible> {
    let asked = AtomicUsize::new(0);
    poll_fn(|context| {
        if asked.fetch_add(1, Ordering::Relaxed) >= value as usize % 7 {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(value + 1)
}

#[test]
fn each_call_has_its_result_once_and_in_the_order_of_its_key() {
    for cluster in clusters() {
        let id = unique("calls");
        let topic = |name: &str| Topic::<u64, i64>::new(format!("{id}-{name}"), Be64, Be64);
        let (input, output) = (topic("input"), topic("output"));
        let broker = cluster.client(&id).unwrap();
        let topics = [&input, &output].map(|topic| NewTopic {
            name: topic.name().to_owned(),
            partitions: PARTITIONS,
            replication_factor: None,
            cleanup_policy: CleanupPolicy::Delete,
            config: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        });
        broker.create(&topics).unwrap();
        let start = |instance| {
            let (i, o) = (input.clone(), output.clone());
            let define = move |b: &TopologyBuilder| {
                b.stream(&i).map_async("slow", AsyncOptions::new(16), |_, value| slow(value)).to(&o);
            };
            let options = options(&id, instance, 2, Guarantee::ExactlyOnce);
            Running::start(options, Arc::new(define), cluster.client(&id).unwrap()).unwrap()
        };
        let mut running = start(0);
        let mut writer = RecordWriter::new(&*broker).unwrap();
        for number in 0..RECORDS {
            writer.send(&input, &Record::new(number % KEYS, Some(number as i64), 1 + number as i64)).unwrap();
            if number % 500 == 499 {
                writer.flush().unwrap();
                until("some results", || {
                    Ok(read_all(&*broker, &output, HANG)?.len() as u64 > number.saturating_sub(499))
                })
                .unwrap();
                running.stop().unwrap();
                running = start(0);
            }
        }
        until("all results", || Ok(read_all(&*broker, &output, HANG)?.len() as u64 >= RECORDS)).unwrap();
        running.stop().unwrap();
        let mut by_key: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for placed in read_all(&*broker, &output, HANG).unwrap() {
            by_key.entry(placed.record.key).or_default().push(placed.record.value.unwrap());
        }
        for (key, values) in by_key {
            let expected: Vec<i64> = (key..RECORDS).step_by(KEYS as usize).map(|number| number as i64 + 1).collect();
            assert_eq!(values, expected, "of key {key}");
        }
    }
}
