//! Instances that call, and vanish, lose their partitions or go back between any two steps of theirs or of a call: in one
//! thread and by one seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Application, Instance, Options, Phase, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::faulty::Faulty;
use super::stepped::SteppedExecutor;
use super::{input, output};

const INSTANCES: usize = 3;
const PARTITIONS: i32 = 4;
const RECORDS: i64 = 2_000;
const KEYS: i64 = 12;
const TIMEOUT_MS: i64 = 50;

/// Answers with the value when it is asked for the so-manieth time; some attempts never do.
async fn answer(value: i64, attempt: u64) -> Result<i64, std::io::Error> {
    let mut asked = value % 7 + 1;
    let never = attempt.is_multiple_of(29);
    std::future::poll_fn(|_| {
        asked -= 1;
        if asked > 0 || never { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    match attempt.is_multiple_of(31) {
        true => Err(std::io::Error::other("not this time")),
        false => Ok(value),
    }
}

fn counts() -> Topic<String, i64> {
    Topic::new("counts", Utf8, Be64)
}

/// Passes on what was called for, and counts it by key.
fn define(order: CallOrder) -> impl Fn(&TopologyBuilder) + Send + Sync {
    move |b| {
        let retry = Retry { attempts: 20, first_delay: Duration::from_millis(3), ..Retry::default() };
        let options = AsyncOptions::new(5).order(order).timeout(Duration::from_millis(TIMEOUT_MS as u64)).retry(retry);
        let attempts = Arc::new(AtomicU64::new(0));
        let called = b
            .stream(&input())
            .map_async("call", options, move |_, value| answer(value, attempts.fetch_add(1, Ordering::Relaxed)));
        called.to(&output());
        called.group_by_key().count(Store::new("by-key", Utf8, Be64)).to_stream().to(&counts());
    }
}

struct Stepped {
    instance: Instance,
    workers: Vec<Worker>,
    executor: Arc<SteppedExecutor>,
}

struct Simulation {
    cluster: MemoryBroker,
    applications: Vec<Arc<Application>>,
    instances: Vec<Option<Stepped>>,
    now: Arc<AtomicI64>,
}

fn client(cluster: &MemoryBroker) -> Arc<dyn Broker> {
    let timeouts =
        ClientSettings { session_timeout_ms: 400, transaction_timeout_ms: 900, ..ClientSettings::new("calls") };
    cluster.client(timeouts)
}

impl Simulation {
    fn new(order: CallOrder) -> Self {
        let cluster = MemoryBroker::new();
        let broker = client(&cluster);
        for topic in [input(), output(), counts()] {
            let (name, partitions, replication_factor) = (topic.name().to_owned(), PARTITIONS, None);
            let (cleanup_policy, config) =
                (CleanupPolicy::Delete, BTreeMap::from([("retention.ms".into(), "-1".into())]));
            broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
        }
        let applications = (0..INSTANCES).map(|index| {
            let options = Options::new("calls", format!("instance-{index}"));
            let options = Options { workers: 2, commit_interval_ms: 20, parked_ms: 2_000, ..options };
            Application::new(options, Arc::new(define(order))).unwrap()
        });
        let applications: Vec<_> = applications.collect();
        let plan = applications[0].plan(&*broker).unwrap();
        applications[0].create_topics(&*broker, &plan).unwrap();
        Simulation { cluster, applications, instances: (0..INSTANCES).map(|_| None).collect(), now: Arc::default() }
    }

    fn start(&mut self, index: usize) {
        let broker = Arc::new(Faulty(client(&self.cluster), 97));
        let wakers = (0..2).map(|_| Arc::new(|| ()) as millstream::broker::Waker).collect();
        let executor = Arc::new(SteppedExecutor::new(self.now.clone()));
        let (instance, seeds) = Instance::start(self.applications[index].clone(), broker, wakers).unwrap();
        let workers = seeds.into_iter().map(|seed| Worker::from(seed.with_executor(executor.clone()))).collect();
        self.instances[index] = Some(Stepped { instance, workers, executor });
    }

    /// Steps one part of one instance, or lets time pass.
    fn step(&mut self, random: &mut StdRng) {
        if random.random_ratio(1, 20) {
            let now = self.now.fetch_add(random.random_range(1..15), Ordering::Relaxed);
            self.cluster.advance_to(now);
        }
        let index = random.random_range(0..INSTANCES);
        let Some(Stepped { instance, workers, executor }) = &mut self.instances[index] else {
            return;
        };
        match random.random_range(0..=3 + workers.len()) {
            0 => {
                if instance.step(Duration::ZERO) == Phase::Stopped {
                    assert_eq!(instance.failure(), None, "an instance failed");
                    self.instances[index] = None;
                }
            }
            worker if worker <= workers.len() => drop(workers[worker - 1].step(self.now.load(Ordering::Relaxed))),
            _ => executor.step(|works| random.random_range(0..works)),
        }
    }

    /// Runs every instance until all that there is has been processed.
    fn settle(&mut self, random: &mut StdRng) {
        let broker = client(&self.cluster);
        for _ in 0..500_000 {
            for index in 0..INSTANCES {
                if self.instances[index].is_none() {
                    self.start(index);
                }
            }
            (0..100).for_each(|_| self.step(random));
            if let Some(stepped) = &mut self.instances[0]
                && stepped.instance.is_drained(&*broker).unwrap()
            {
                return;
            }
        }
        panic!("the instances do not come to rest");
    }
}

fn run(seed: u64, order: CallOrder) {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut simulation = Simulation::new(order);
    let broker = client(&simulation.cluster);
    let mut writer = RecordWriter::new(&*broker).unwrap();
    let mut written = 0;
    while written < RECORDS {
        let until = RECORDS.min(written + random.random_range(1..100));
        for value in written..until {
            let key = (value % KEYS).to_string();
            writer.send(&input(), &Record::new(key, Some(value), value)).unwrap();
        }
        writer.flush().unwrap();
        written = until;
        (0..random.random_range(1..600)).for_each(|_| simulation.step(random));
        let index = random.random_range(0..INSTANCES);
        match (&mut simulation.instances[index], random.random_range(0..10)) {
            (None, 0..=4) => simulation.start(index),
            (crashed @ Some(_), 0) => *crashed = None,
            (Some(stepped), 1) => stepped.instance.stop(),
            // Nobody is stepped for longer than a session or a transaction may last.
            (_, 2) => {
                let now = simulation.now.fetch_add(random.random_range(300..1_200), Ordering::Relaxed);
                simulation.cluster.advance_to(now);
            }
            _ => {}
        }
    }
    simulation.settle(random);
    check(&*broker, seed, order);
}

fn check(broker: &dyn Broker, seed: u64, order: CallOrder) {
    let by_key = |topic| {
        let mut values: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for placed in read_all(broker, &topic, Duration::ZERO).unwrap() {
            values.entry(placed.record.key).or_default().push(placed.record.value.unwrap());
        }
        values
    };
    let (mut results, counts) = (by_key(output()), by_key(counts()));
    for number in 0..KEYS {
        let key = number.to_string();
        let expected: Vec<i64> = (0..RECORDS).filter(|value| value % KEYS == number).collect();
        let results = results.get_mut(&key).unwrap();
        if order == CallOrder::None {
            results.sort();
        }
        assert_eq!(*results, expected, "seed {seed}, {order:?}, key {key}");
        assert!(counts[&key].iter().copied().eq(1..=expected.len() as i64), "seed {seed}, {order:?}, counts of {key}");
    }
}

#[test]
fn calls_lose_and_double_nothing() {
    for seed in 0..4 {
        for order in [CallOrder::PerKey, CallOrder::PerPartition, CallOrder::None] {
            run(seed, order);
        }
    }
}
