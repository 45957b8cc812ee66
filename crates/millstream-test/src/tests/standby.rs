//! Standbys, warming up, and what instances know of each other.

mod instances;
mod moving;
mod takeover;
mod together;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream::broker::{
    Assignment, Broker, CleanupPolicy, Fetched, NewTopic, Outgoing, Position, TopicId, TopicPartition,
};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::record::Headers;
use millstream::task::TaskId;
use millstream::worker::{Application, Instance, Options, Phase, TaskState, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::{input, output};

/// Partitions of the input, and so tasks.
const PARTITIONS: i32 = 4;
const SESSION_MS: i64 = 2_000;
const TRANSACTION_MS: i64 = 600_000;
/// How much time passes with each round of steps, unless a test says otherwise.
const ROUND_MS: i64 = 20;

/// Counts by key.
fn counts(b: &TopologyBuilder) {
    b.stream(&input()).group_by_key().count(Store::new("counts", Utf8, Be64)).to_stream().to(&output());
}

/// One instance with one worker.
struct Process {
    instance: Instance,
    worker: Worker,
}

/// Instances on one broker, with one clock.
struct Together {
    cluster: MemoryBroker,
    broker: Arc<dyn Broker>,
    options: Options,
    define: fn(&TopologyBuilder),
    processes: BTreeMap<&'static str, Process>,
    now: i64,
    round_ms: i64,
}

impl Together {
    /// None started yet, of what counts by key; `change` changes the options.
    fn new(change: impl FnOnce(&mut Options)) -> Together {
        Together::of(counts, CleanupPolicy::Delete, change)
    }

    /// As `new`, of another topology, whose input is kept so.
    fn of(define: fn(&TopologyBuilder), input_policy: CleanupPolicy, change: impl FnOnce(&mut Options)) -> Together {
        let cluster = MemoryBroker::new();
        let broker = cluster.client(ClientSettings::new("app"));
        for (topic, cleanup_policy) in [(input(), input_policy), (output(), CleanupPolicy::Delete)] {
            let name = topic.name().to_owned();
            let (partitions, replication_factor, config) = (PARTITIONS, None, BTreeMap::new());
            broker.create(&[NewTopic { name, partitions, replication_factor, cleanup_policy, config }]).unwrap();
        }
        let mut options = Options { commit_interval_ms: 1, standby_replicas: 1, ..Options::new("app", "none") };
        change(&mut options);
        let application = Application::new(options.clone(), Arc::new(define)).unwrap();
        let plan = application.plan(&*broker).unwrap();
        application.create_topics(&*broker, &plan).unwrap();
        let now = 1_000_000;
        cluster.advance_to(now);
        Together { cluster, broker, options, define, processes: BTreeMap::new(), now, round_ms: ROUND_MS }
    }

    fn start(&mut self, name: &'static str) {
        self.start_with(name, |_| ());
    }

    fn start_with(&mut self, name: &'static str, change: impl FnOnce(&mut Options)) {
        let mut options = Options { instance_id: name.to_owned(), ..self.options.clone() };
        change(&mut options);
        let application = Application::new(options, Arc::new(self.define)).unwrap();
        let client = self.cluster.client(ClientSettings {
            member_name: format!("{name}-"),
            session_timeout_ms: SESSION_MS,
            transaction_timeout_ms: TRANSACTION_MS,
            ..ClientSettings::new("app")
        });
        let (instance, mut seeds) = Instance::start(application, client, vec![Arc::new(|| ())]).unwrap();
        self.processes.insert(name, Process { instance, worker: Worker::from(seeds.remove(0)) });
    }

    /// Has an instance vanish, as by kill -9.
    fn kill(&mut self, name: &str) {
        self.processes.remove(name).unwrap();
    }

    /// Stops an instance in order.
    fn stop(&mut self, name: &str) {
        self.processes.get_mut(name).unwrap().instance.stop();
        self.until(|together| !together.processes.contains_key(name));
    }

    /// A step of each, and a little time.
    fn round(&mut self) {
        let mut stopped = Vec::new();
        for (name, process) in &mut self.processes {
            let phase = process.instance.step(Duration::ZERO);
            assert_eq!(process.instance.failure(), None, "{name}");
            match phase {
                Phase::Stopped => stopped.push(*name),
                _ => {
                    process.worker.step(self.now);
                }
            }
        }
        stopped.iter().for_each(|name| drop(self.processes.remove(name)));
        self.now += self.round_ms;
        self.cluster.advance_to(self.now);
    }

    #[track_caller]
    fn until(&mut self, holds: impl Fn(&Together) -> bool) {
        for _ in 0..10_000 {
            if holds(self) {
                return;
            }
            self.round();
        }
        let tasks: Vec<_> = self.processes.keys().map(|name| (*name, self.states(name))).collect();
        panic!("it does not come to that: {tasks:?}");
    }

    /// Lets so many ms pass.
    fn pass(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            self.round();
        }
    }

    fn states(&self, name: &str) -> BTreeMap<i32, TaskState> {
        let status = self.processes[name].instance.status();
        status.iter().flat_map(|worker| worker.tasks()).map(|task| (task.id.partition, task.state)).collect()
    }

    fn active(&self, name: &str) -> Vec<i32> {
        self.states(name).into_iter().filter(|(_, s)| *s == TaskState::Running).map(|(task, _)| task).collect()
    }

    /// The standbys that are complete.
    fn standby(&self, name: &str) -> Vec<i32> {
        let complete = TaskState::Standby { lag: 0 };
        self.states(name).into_iter().filter(|(_, state)| *state == complete).map(|(task, _)| task).collect()
    }

    fn restored(&self, name: &str) -> u64 {
        self.processes[name].instance.status().iter().map(|worker| worker.restored.load(Ordering::Relaxed)).sum()
    }

    fn copied(&self, name: &str) -> u64 {
        let status = self.processes[name].instance.status();
        status.iter().map(|worker| worker.standby_records.load(Ordering::Relaxed)).sum()
    }

    /// Writes a record for each of so many keys, and waits until all of them are processed.
    fn pipe(&mut self, keys: usize) {
        self.write(keys);
        let runs = *self.processes.keys().next().unwrap();
        for _ in 0..10_000 {
            self.round();
            if self.processes.get_mut(runs).unwrap().instance.is_drained(&*self.broker).unwrap() {
                return;
            }
        }
        panic!("the input is not processed");
    }

    fn write(&mut self, keys: usize) {
        self.write_value(keys, 1);
    }

    fn write_value(&mut self, keys: usize, value: i64) {
        let mut writer = RecordWriter::new(&*self.broker).unwrap();
        let record = |key: usize| Record::new(key.to_string(), Some(value), self.now);
        (0..keys).for_each(|key| writer.send(&input(), &record(key)).unwrap());
        writer.flush().unwrap();
    }

    /// The counts told of each key, in order.
    fn results(&self) -> BTreeMap<String, Vec<i64>> {
        let mut results = BTreeMap::<String, Vec<i64>>::new();
        for placed in read_all(&*self.broker, &output(), Duration::ZERO).unwrap() {
            results.entry(placed.record.key).or_default().extend(placed.record.value);
        }
        results
    }

    /// Whether each of so many keys was counted so often, without a gap.
    #[track_caller]
    fn assert_counted(&self, keys: usize, times: i64) {
        let results = self.results();
        assert_eq!(results.len(), keys);
        let expected: Vec<i64> = (1..=times).collect();
        results.iter().for_each(|(key, counts)| assert_eq!(*counts, expected, "key {key}"));
    }

    /// Writes a record to the control topic.
    fn announce(&self, key: &[u8], value: Option<&[u8]>) {
        let mut producer = self.broker.producer(&["app-instances".into()]).unwrap();
        let (topic, partition, headers) = (TopicId(0), Some(0), &Headers::default());
        producer.send(Outgoing { topic, partition, timestamp: 0, key: Some(key), value, headers }).unwrap();
    }

    /// The last thing that each instance has on the control topic.
    fn announced(&self) -> BTreeMap<String, Option<String>> {
        let partition = TopicPartition::new("app-instances", 0);
        let assignment = Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) };
        let mut announced = BTreeMap::new();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = self.broker.reader(assignment).unwrap().read(usize::MAX, &mut |fetched| {
            if let Fetched::Record(record) = fetched {
                announced.insert(text(record.key.unwrap()), record.value.map(text));
            }
            ControlFlow::Continue(())
        });
        read.unwrap();
        announced
    }
}

fn task(partition: i32) -> TaskId {
    TaskId { sub_topology: 0, partition }
}
