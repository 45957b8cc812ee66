//! Tasks that are given away, and workers that end, while calls are under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::topology::Define;
use millstream::worker::{Application, Instance, Options, Phase, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::stepped::SteppedExecutor;
use super::{input, output};

const RECORDS: i64 = 20;

/// Calls that answer once the gate is open, and how many have begun.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, AtomicUsize)>);

impl Gate {
    fn open(&self) {
        self.0.0.store(true, Ordering::Relaxed);
    }

    fn begun(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }

    fn define(&self) -> Define {
        let gate = self.clone();
        Arc::new(move |b: &TopologyBuilder| {
            let gate = gate.clone();
            let options = AsyncOptions::new(100).timeout(Duration::from_secs(3_600));
            let called = b.stream(&input()).map_async("gate", options, move |_, value| {
                gate.0.1.fetch_add(1, Ordering::Relaxed);
                let gate = gate.clone();
                async move {
                    let is_open = || gate.0.0.load(Ordering::Relaxed);
                    std::future::poll_fn(|_| if is_open() { Poll::Ready(()) } else { Poll::Pending }).await;
                    Ok::<i64, std::io::Error>(value)
                }
            });
            called.to(&output());
        })
    }
}

struct Stepped {
    instance: Instance,
    worker: Worker,
    executor: Arc<SteppedExecutor>,
}

impl Stepped {
    fn start(broker: &Arc<dyn Broker>, name: &str, define: Define) -> Self {
        let application = Application::new(Options::new("leaving", name), define).unwrap();
        let wakers = vec![Arc::new(|| ()) as millstream::broker::Waker];
        let (instance, mut seeds) = Instance::start(application, broker.clone(), wakers).unwrap();
        let executor = Arc::new(SteppedExecutor::new(Arc::new(AtomicI64::new(0))));
        let worker = Worker::from(seeds.remove(0).with_executor(executor.clone()));
        Stepped { instance, worker, executor }
    }

    fn step(&mut self, now: i64) {
        self.instance.step(Duration::ZERO);
        self.worker.step(now);
        (0..RECORDS).for_each(|place| self.executor.step(|works| place as usize % works));
        assert_eq!(self.instance.failure(), None);
    }

    fn tasks(&self) -> usize {
        self.instance.status().iter().map(|status| status.tasks().len()).sum()
    }
}

/// A broker with records of as many keys in two partitions.
fn loaded() -> Arc<dyn Broker> {
    let never = i64::MAX;
    let settings =
        ClientSettings { session_timeout_ms: never, transaction_timeout_ms: never, ..ClientSettings::new("leaving") };
    let broker = MemoryBroker::new().client(settings);
    for topic in [input(), output()] {
        let (name, partitions, replication_factor) = (topic.name().to_owned(), 2, None);
        let (cleanup_policy, config) = (CleanupPolicy::Delete, BTreeMap::new());
        broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
    }
    let mut writer = RecordWriter::new(&*broker).unwrap();
    for value in 0..RECORDS {
        writer.send(&input(), &Record::new(value.to_string(), Some(value), value)).unwrap();
    }
    writer.flush().unwrap();
    broker
}

fn results(broker: &dyn Broker) -> Vec<i64> {
    let read = read_all(broker, &output(), Duration::ZERO).unwrap();
    let mut values: Vec<i64> = read.into_iter().filter_map(|placed| placed.record.value).collect();
    values.sort();
    values
}

/// An instance all of whose records are being called for, and another that wants one of its two tasks.
fn with_calls_under_way(gate: &Gate, broker: &Arc<dyn Broker>) -> (Stepped, Stepped) {
    let mut first = Stepped::start(broker, "first", gate.define());
    (0..20).for_each(|_| first.step(0));
    assert_eq!(gate.begun(), RECORDS as usize);
    let mut second = Stepped::start(broker, "second", gate.define());
    for _ in 0..20 {
        first.step(1_000);
        second.step(1_000);
    }
    assert_eq!(
        (first.tasks(), second.tasks()),
        (2, 0),
        "a commit is due, and the task is wanted: calls are waited for"
    );
    assert!(results(&**broker).is_empty());
    (first, second)
}

#[test]
fn a_task_is_given_away_when_its_calls_are_done() {
    let (gate, broker) = (Gate::default(), loaded());
    let (mut first, mut second) = with_calls_under_way(&gate, &broker);
    gate.open();
    for _ in 0..20 {
        first.step(1_000);
        second.step(1_000);
    }
    assert_eq!((first.tasks(), second.tasks()), (1, 1));
    assert!(results(&*broker).into_iter().eq(0..RECORDS));
    assert_eq!(gate.begun(), RECORDS as usize, "no record is called for twice");
}

#[test]
fn calls_that_do_not_end_are_not_waited_for_for_ever() {
    let (gate, broker) = (Gate::default(), loaded());
    let (mut first, mut second) = with_calls_under_way(&gate, &broker);
    for now in [30_999, 31_000] {
        assert_eq!((first.tasks(), second.tasks()), (2, 0));
        for _ in 0..20 {
            first.step(now);
            second.step(now);
        }
    }
    assert_eq!((first.tasks(), second.tasks()), (1, 1));
    gate.open();
    for now in 32_000..32_500 {
        first.step(now);
        second.step(now);
    }
    assert!(results(&*broker).into_iter().eq(0..RECORDS), "they are called for again");
    assert!(gate.begun() > RECORDS as usize);
}

#[test]
fn an_instance_ends_when_its_calls_are_done() {
    let (gate, broker) = (Gate::default(), loaded());
    let mut first = Stepped::start(&broker, "first", gate.define());
    (0..20).for_each(|_| first.step(0));
    first.instance.stop();
    (0..20).for_each(|_| first.step(1_000));
    assert_eq!((first.instance.phase(), results(&*broker).len()), (Phase::Stopping, 0));
    gate.open();
    (0..20).for_each(|_| first.step(1_000));
    assert_eq!(first.instance.phase(), Phase::Stopped);
    assert!(results(&*broker).into_iter().eq(0..RECORDS));
    assert_eq!(gate.begun(), RECORDS as usize);
}

#[test]
fn a_topology_that_calls_needs_an_executor() {
    let broker = loaded();
    let application = Application::new(Options::new("leaving", "first"), Gate::default().define()).unwrap();
    assert_eq!(application.topology.async_nodes.iter().map(|node| &**node).collect::<Vec<_>>(), ["gate"]);
    let (mut instance, mut seeds) = Instance::start(application, broker, vec![Arc::new(|| ())]).unwrap();
    let mut worker = Worker::from(seeds.remove(0));
    for _ in 0..20 {
        instance.step(Duration::ZERO);
        worker.step(0);
    }
    let failure = instance.failure().unwrap();
    assert!(failure.contains("nothing that asynchronous calls could run on (nodes gate)"), "{failure}");
    assert!(failure.contains("WorkerSeed::with_executor"), "{failure}");
}
