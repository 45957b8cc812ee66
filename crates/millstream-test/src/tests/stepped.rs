//! A cluster whose instance and workers are stepped by hand: with input before they begin, several workers, and time that
//! moves with every step, so that commits cover many records and a worker comes back after an abort.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic, Waker};
use millstream::client::{Placed, RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Application, Instance, Options, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

/// How many steps a topology gets to come to its end.
const STEPS_MAX: i64 = 1_000_000;

pub(super) struct Stepped {
    broker: Arc<dyn Broker>,
    application: Arc<Application>,
    now: Timestamp,
}

impl Stepped {
    /// Topics of that many partitions, for a topology that is run later.
    pub(super) fn new(partitions: i32, define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        let broker = MemoryBroker::new().client(ClientSettings::new("test"));
        let options = Options { commit_interval_ms: 2, ..Options::new("test", "one") };
        let application = Application::new(options, Arc::new(define)).unwrap();
        let topology = &application.topology;
        let sinks = topology.sub_topologies.iter().flat_map(|sub| sub.sinks.clone());
        let names = sinks.filter(|sink| !topology.repartitions.iter().any(|repartition| repartition.topic == *sink));
        let topics: Vec<_> =
            topology.source_topics().into_iter().chain(names).map(|name| new_topic(&name, partitions)).collect();
        broker.create(&topics).unwrap();
        let plan = application.plan(&*broker).unwrap();
        application.create_topics(&*broker, &plan).unwrap();
        Stepped { broker, application, now: 0 }
    }

    pub(super) fn write<K: 'static, V: 'static>(
        &self,
        topic: &Topic<K, V>,
        records: impl IntoIterator<Item = Record<K, V>>,
    ) {
        let mut writer = RecordWriter::new(&*self.broker).unwrap();
        for Record { key, value, timestamp, headers } in records {
            writer.send(topic, &Record { key, value: Some(value), timestamp, headers }).unwrap();
        }
        writer.flush().unwrap();
    }

    /// Runs the topology on that many workers until all input is processed, and stops it. Returns how often a worker went
    /// back to its last commit.
    pub(super) fn run(&mut self, workers: usize) -> u64 {
        let waker: Waker = Arc::new(|| ());
        let (mut instance, seeds) =
            Instance::start(self.application.clone(), self.broker.clone(), vec![waker; workers]).unwrap();
        let mut workers: Vec<Worker> = seeds.into_iter().map(Worker::from).collect();
        let end = self.now + STEPS_MAX;
        let mut stopping = false;
        while instance.step(Duration::ZERO) != millstream::worker::Phase::Stopped {
            self.now += 1;
            assert!(self.now < end, "the topology does not come to rest");
            for worker in &mut workers {
                worker.step(self.now);
            }
            assert_eq!(instance.failure(), None);
            if !stopping && instance.is_drained(&*self.broker).unwrap() {
                stopping = true;
                instance.stop();
            }
        }
        let aborts = instance.status();
        aborts.iter().map(|status| status.aborts.load(std::sync::atomic::Ordering::Relaxed)).sum()
    }

    pub(super) fn results<K: 'static, V: 'static>(&self, topic: &Topic<K, V>) -> Vec<Placed<K, V>> {
        read_all(&*self.broker, topic, Duration::ZERO).unwrap()
    }

    /// How many records with a value each partition of a topic has.
    pub(super) fn counts<K: 'static, V: 'static>(&self, topic: &Topic<K, V>, partitions: usize) -> Vec<usize> {
        let mut counts = vec![0; partitions];
        for placed in self.results(topic) {
            counts[placed.partition as usize] += usize::from(placed.record.value.is_some());
        }
        counts
    }
}

fn new_topic(name: &str, partitions: i32) -> NewTopic {
    let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let (replication_factor, cleanup_policy) = (None, CleanupPolicy::Delete);
    NewTopic { name: name.to_owned(), partitions, replication_factor, cleanup_policy, config }
}
