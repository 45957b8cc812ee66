//! State of tasks that are given away and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Application, Instance, Options, Phase, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::{input, output};

/// Sums by key, kept in memory alone, and after them counts by key, kept in a changelog.
fn sums_and_counts(b: &TopologyBuilder) {
    let grouped = b.stream(&input()).group_by_key();
    grouped.reduce(Store::new("sums", Utf8, Be64).without_changelog(), |a, b| a + b).to_stream().to(&output());
    grouped.count(Store::new("counts", Utf8, Be64)).to_stream().to(&output());
}

/// One process with one worker.
pub(super) struct Process {
    pub(super) instance: Instance,
    pub(super) worker: Worker,
}

impl Process {
    pub(super) fn start(name: &str, cluster: &MemoryBroker) -> Self {
        Process::of(name, cluster, sums_and_counts)
    }

    /// One that runs another topology, with the same topics.
    pub(super) fn of(name: &str, cluster: &MemoryBroker, define: fn(&TopologyBuilder)) -> Self {
        let application = application(name, define);
        let broker = cluster.client(ClientSettings::new("app"));
        let (instance, mut seeds) = Instance::start(application, broker, vec![Arc::new(|| ())]).unwrap();
        Process { instance, worker: Worker::from(seeds.remove(0)) }
    }

    pub(super) fn step(&mut self) -> Phase {
        let phase = self.instance.step(Duration::ZERO);
        assert_eq!(self.instance.failure(), None);
        if phase != Phase::Stopped {
            self.worker.step(0);
        }
        phase
    }

    pub(super) fn tasks(&self) -> usize {
        self.instance.status().iter().map(|status| status.tasks().len()).sum()
    }
}

fn application(instance: &str, define: fn(&TopologyBuilder)) -> Arc<Application> {
    let options = Options { commit_interval_ms: 0, ..Options::new("app", instance) };
    Application::new(options, Arc::new(define)).unwrap()
}

/// Creates topics of 2 partitions.
pub(super) fn prepare(cluster: &MemoryBroker) -> Arc<dyn Broker> {
    let application = application("none", sums_and_counts);
    let broker = cluster.client(ClientSettings::new("app"));
    for topic in [input(), output()] {
        let (name, cleanup_policy) = (topic.name().to_owned(), CleanupPolicy::Delete);
        let (partitions, replication_factor, config) = (2, None, BTreeMap::new());
        broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
    }
    let plan = application.plan(&*broker).unwrap();
    assert_eq!(plan.without_changelog, ["sums".into()]);
    application.create_topics(&*broker, &plan).unwrap();
    broker
}

/// Writes that value for each of the keys 0 to 7.
pub(super) fn pipe(broker: &dyn Broker, value: i64) {
    let mut writer = RecordWriter::new(broker).unwrap();
    (0..8).for_each(|key: i32| writer.send(&input(), &Record::new(key.to_string(), Some(value), 0)).unwrap());
    writer.flush().unwrap();
}

#[test]
fn a_task_that_comes_back_finds_what_has_no_changelog_too() {
    let cluster = MemoryBroker::new();
    let broker = prepare(&cluster);
    let keys: Vec<String> = (0..8).map(|key| key.to_string()).collect();
    let pipe = |value| pipe(&*broker, value);

    let mut stays = Process::start("stays", &cluster);
    pipe(10);
    until(|| {
        stays.step();
        stays.tasks() == 2 && stays.instance.is_drained(&*broker).unwrap()
    });
    let mut comes = Process::start("comes", &cluster);
    until(|| {
        stays.step();
        comes.step();
        stays.tasks() == 1 && comes.tasks() == 1
    });
    comes.instance.stop();
    until(|| {
        stays.step();
        comes.step() == Phase::Stopped
    });
    pipe(20);
    until(|| {
        stays.step();
        stays.tasks() == 2 && stays.instance.is_drained(&*broker).unwrap()
    });
    let mut values = BTreeMap::<String, Vec<i64>>::new();
    for placed in read_all(&*broker, &output(), Duration::ZERO).unwrap() {
        values.entry(placed.record.key).or_default().extend(placed.record.value);
    }
    for key in &keys {
        assert_eq!(values[key], [10, 1, 30, 2], "key {key}");
    }
}

pub(super) fn until(mut step: impl FnMut() -> bool) {
    assert!((0..10_000).any(|_| step()), "it does not come to that");
}
