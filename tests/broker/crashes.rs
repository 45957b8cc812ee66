//! Instances that vanish between any two steps, in one thread and by one seed: the same run for the same seed.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, Waker};
use millstream::worker::{Application, Guarantee, Instance, Options, Phase, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};
use millstream_tests::check::{Findings, check};
use millstream_tests::faults::{AbortedEvery, OffsetsOutside};
use millstream_tests::workload::{Load, Workload};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const INSTANCES: usize = 3;
const RECORDS: u64 = 6_000;

/// An instance, and whether each of its workers has not ended.
struct Stepped {
    instance: Instance,
    workers: Vec<Worker>,
}

/// What the broker does beside what it should.
#[derive(Clone, Copy)]
enum Fault {
    None,
    OffsetsOutside,
    /// Refuses commits, so that tasks go back and process again.
    Aborts,
}

struct Simulation {
    cluster: MemoryBroker,
    application: Vec<Arc<Application>>,
    fault: Fault,
    instances: Vec<Option<Stepped>>,
    now: i64,
}

fn settings() -> ClientSettings {
    ClientSettings { session_timeout_ms: 500, transaction_timeout_ms: 1_000, ..ClientSettings::new("crashes") }
}

impl Simulation {
    fn start(&mut self, index: usize) {
        let mut broker = self.cluster.client(settings());
        match self.fault {
            Fault::None => {}
            Fault::OffsetsOutside => {
                broker = Arc::new(OffsetsOutside { broker, pause: Duration::ZERO, fenced_every: Some(7) });
            }
            Fault::Aborts => broker = Arc::new(AbortedEvery(broker, 3)),
        }
        let wakers: Vec<Waker> = (0..2).map(|_| Arc::new(|| ()) as Waker).collect();
        let (instance, seeds) = Instance::start(self.application[index].clone(), broker, wakers).unwrap();
        self.instances[index] = Some(Stepped { instance, workers: seeds.into_iter().map(Worker::from).collect() });
    }

    /// Steps one part of one instance, or lets time pass.
    fn step(&mut self, random: &mut StdRng) {
        if random.random_ratio(1, 20) {
            self.now += random.random_range(1..20);
            self.cluster.advance_to(self.now);
        }
        let index = random.random_range(0..INSTANCES);
        let Some(stepped) = &mut self.instances[index] else {
            return;
        };
        match random.random_range(0..=stepped.workers.len()) {
            0 => {
                if stepped.instance.step(Duration::ZERO) == Phase::Stopped {
                    let failure = stepped.instance.failure().map(str::to_owned);
                    assert_eq!(failure, None, "an instance failed");
                    self.instances[index] = None;
                }
            }
            worker => {
                stepped.workers[worker - 1].step(self.now);
            }
        }
    }
}

fn run(seed: u64, guarantee: Guarantee, fault: Fault) -> Findings {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = MemoryBroker::new();
    let broker = cluster.client(settings());
    let workload = Workload("crashes".to_owned());
    workload.prepare(&*broker).unwrap();
    let application = (0..INSTANCES).map(|index| {
        let options = Options { workers: 2, guarantee, commit_interval_ms: 20, parked_ms: 2_000, ..options(index) };
        Application::new(options, workload.define()).unwrap()
    });
    let application: Vec<_> = application.collect();
    let plan = application[0].plan(&*broker).unwrap();
    application[0].create_topics(&*broker, &plan).unwrap();
    let mut load = Load::new(&*broker, &workload).unwrap();
    let mut simulation =
        Simulation { cluster, application, fault, instances: (0..INSTANCES).map(|_| None).collect(), now: 0 };

    let mut written = 0;
    while written < RECORDS {
        written = RECORDS.min(written + random.random_range(1..200));
        load.write_until(written).unwrap();
        for _ in 0..random.random_range(1..400) {
            simulation.step(&mut random);
        }
        let index = random.random_range(0..INSTANCES);
        match (&mut simulation.instances[index], random.random_range(0..10)) {
            (None, 0..=4) => simulation.start(index),
            (crashed @ Some(_), 0..=1) => *crashed = None,
            (Some(stepped), 2) => stepped.instance.stop(),
            _ => {}
        }
    }
    simulation.settle(&*broker, &mut random);
    check(&*broker, &workload).unwrap()
}

impl Simulation {
    /// Runs every instance until all that there is has been processed.
    fn settle(&mut self, broker: &dyn Broker, random: &mut StdRng) {
        for _ in 0..2_000_000 {
            for index in 0..INSTANCES {
                if self.instances[index].is_none() {
                    self.start(index);
                }
            }
            for _ in 0..200 {
                self.step(random);
            }
            if let Some(stepped) = &mut self.instances[0]
                && stepped.instance.is_drained(broker).unwrap()
            {
                return;
            }
        }
        panic!("the instances do not come to rest");
    }
}

fn options(index: usize) -> Options {
    Options::new("crashes", format!("instance-{index}"))
}

#[test]
fn nothing_is_lost_or_doubled() {
    for seed in 0..40 {
        let findings = run(seed, Guarantee::ExactlyOnce, Fault::None);
        assert_eq!((findings.inputs, findings.outputs), (RECORDS, RECORDS), "seed {seed}: {findings:?}");
        assert!(findings.is_exactly_once(), "seed {seed}: {findings:?}");
    }
}

#[test]
fn at_least_once_loses_nothing() {
    for seed in 0..20 {
        let findings = run(seed, Guarantee::AtLeastOnce, Fault::None);
        assert_eq!(findings.inputs, RECORDS, "seed {seed}: {findings:?}");
        assert!(findings.is_at_least_once(), "seed {seed}: {findings:?}");
    }
}

/// Stores, positions and stream time go back as one, while the tasks stay where they are.
#[test]
fn commits_that_are_refused_change_nothing() {
    for seed in 0..10 {
        let findings = run(seed, Guarantee::ExactlyOnce, Fault::Aborts);
        assert_eq!((findings.inputs, findings.outputs), (RECORDS, RECORDS), "seed {seed}: {findings:?}");
        assert!(findings.is_exactly_once(), "seed {seed}: {findings:?}");
    }
}

/// The check notices what it is there for.
#[test]
fn positions_committed_outside_of_the_transaction_are_noticed() {
    let findings = run(1, Guarantee::ExactlyOnce, Fault::OffsetsOutside);
    assert!(!findings.is_exactly_once(), "{findings:?}");
}
