//! Time that holds across repartition topics: one upstream task that is behind, and one whose input is idle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::partitioner::partition_of;
use millstream::prelude::*;
use millstream::worker::{Guarantee, Options};
use millstream_tests::cluster::Cluster;
use millstream_tests::running::{HANG, Running, until};

use crate::support::{clusters, options, unique};

const PARTITIONS: i32 = 2;
const WINDOW_MS: i64 = 10_000;
const TICK_MS: i64 = 500;

/// Counts names by window, behind a repartition topic; says when time passes, and what was late.
#[derive(Clone)]
struct Windowed10(String);

/// Says what time it is, every half second of it.
struct Clock;

impl Processor for Clock {
    type KeyIn = String;
    type ValueIn = i64;
    type KeyOut = String;
    type ValueOut = i64;

    fn process(
        &self,
        _: &mut ProcessorContext<'_, '_, String, i64>,
        _: Record<String, i64>,
    ) -> Result<(), ProcessError> {
        Ok(())
    }

    fn schedule(&self) -> Vec<Punctuation> {
        vec![Punctuation { kind: PunctuationType::StreamTime, interval: Duration::from_millis(TICK_MS as u64) }]
    }

    fn punctuate(
        &self,
        context: &mut ProcessorContext<'_, '_, String, i64>,
        _: Punctuation,
        time: Timestamp,
    ) -> Result<(), ProcessError> {
        context.forward(Record::new("time".to_owned(), time, time))
    }
}

impl Windowed10 {
    fn topic<K, V>(&self, name: &str, key: impl Serde<K>, value: impl Serde<V>) -> Topic<K, V> {
        Topic::new(format!("{}-{name}", self.0), key, value)
    }

    /// Keyed by what chooses the partition; the value is the name to count.
    fn events(&self) -> Topic<u64, String> {
        self.topic("events", Be64, Utf8)
    }

    fn counts(&self) -> Topic<millstream::window::Windowed<String>, i64> {
        self.topic("counts", TimeWindowed::new(Utf8, WINDOW_MS), Be64)
    }

    fn late(&self) -> Topic<String, i64> {
        self.topic("late", Utf8, Be64)
    }

    fn times(&self) -> Topic<String, i64> {
        self.topic("times", Utf8, Be64)
    }

    fn define(&self, b: &TopologyBuilder) {
        let names =
            b.stream(&self.events()).map(|_, name| (name, 1_i64)).repartition(Topic::new("by-name", Utf8, Be64));
        let windows = TimeWindows::tumbling(Duration::from_millis(WINDOW_MS as u64));
        let windowed = names.group_by_key().windowed_by(windows);
        windowed.count(Store::new("counts", Utf8, Be64)).to_stream().to(&self.counts());
        windowed.late().to(&self.late());
        names.process("clock", Clock, &[]).to(&self.times());
    }

    fn prepare(&self, broker: &dyn Broker) {
        let names = [self.events().name(), self.counts().name(), self.late().name(), self.times().name()]
            .map(ToOwned::to_owned);
        let topics = names.map(|name| NewTopic {
            name,
            partitions: PARTITIONS,
            replication_factor: None,
            cleanup_policy: CleanupPolicy::Delete,
            config: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        });
        broker.create(&topics).unwrap();
    }
}

/// A run of it, with one upstream task for each partition of the events.
struct Run {
    topology: Windowed10,
    broker: Arc<dyn Broker>,
    writer: RecordWriter,
    running: Running,
}

impl Run {
    fn start(cluster: &Cluster, idle_timeout_ms: i64) -> Run {
        let id = unique("watermarks");
        let topology = Windowed10(id.clone());
        let broker = cluster.client(&id).unwrap();
        topology.prepare(&*broker);
        let options =
            Options { idle_timeout_ms, watermark_interval_ms: 50, ..options(&id, 0, 2, Guarantee::ExactlyOnce) };
        let define = topology.clone();
        let running = Running::start(options, Arc::new(move |b| define.define(b)), broker.clone()).unwrap();
        let writer = RecordWriter::new(&*broker).unwrap();
        Run { topology, broker, writer, running }
    }

    /// Writes an event to a partition.
    fn write(&mut self, partition: i32, name: &str, timestamp: i64) {
        let key = (0_u64..).find(|key| partition_of(&key.to_be_bytes(), PARTITIONS) == partition).unwrap();
        self.writer.send(&self.topology.events(), &Record::new(key, Some(name.to_owned()), timestamp)).unwrap();
        self.writer.flush().unwrap();
    }

    /// The count of a name in the window that begins then.
    fn count(&self, name: &str, start: i64) -> Option<i64> {
        let counts = read_all(&*self.broker, &self.topology.counts(), HANG).unwrap();
        let of_window = counts.into_iter().map(|placed| placed.record);
        of_window.filter(|r| r.key.key == name && r.key.window.start == start).filter_map(|r| r.value).max()
    }

    /// The largest time that some task behind the repartition topic has come to; `MIN` before any.
    fn largest_time(&self) -> i64 {
        let times = read_all(&*self.broker, &self.topology.times(), HANG).unwrap();
        times.into_iter().filter_map(|placed| placed.record.value).max().unwrap_or(i64::MIN)
    }

    fn late(&self) -> usize {
        read_all(&*self.broker, &self.topology.late(), HANG).unwrap().len()
    }
}

#[test]
fn a_window_does_not_close_while_one_upstream_task_is_behind() {
    for cluster in clusters() {
        let mut run = Run::start(&cluster, 0);
        for timestamp in [1_000, 50_000, 100_000] {
            run.write(0, "a", timestamp);
        }
        until("the fast task's records", || Ok(run.count("a", 100_000) == Some(1))).unwrap();
        // The other task's first record is 99 seconds behind what has been seen of this name.
        run.write(1, "a", 1_500);
        until("the slow task's record", || Ok(run.count("a", 0) == Some(2))).unwrap();
        assert!(run.largest_time() < WINDOW_MS, "the slow task is at 1,500 ms");
        run.write(1, "a", 100_000);
        until("time", || Ok(run.largest_time() >= 100_000)).unwrap();
        assert_eq!(run.late(), 0);
        run.write(1, "a", 2_000);
        until("the late record", || Ok(run.late() == 1)).unwrap();
        assert_eq!(run.count("a", 0), Some(2), "it changes nothing");
        run.running.stop().unwrap();
    }
}

#[test]
fn an_idle_input_does_not_hold_windows_open() {
    for cluster in clusters() {
        let mut run = Run::start(&cluster, 1_000);
        // Nothing ever comes to partition 1.
        run.write(0, "a", 1_000);
        run.write(0, "a", 100_000);
        until("time without the idle task", || Ok(run.largest_time() >= 100_000)).unwrap();
        // Nothing comes to any; time goes on, as slowly as the machine's.
        let reached = run.largest_time();
        until("time without any record", || Ok(run.largest_time() >= reached + TICK_MS)).unwrap();
        run.running.stop().unwrap();
    }
}
