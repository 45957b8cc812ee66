use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream::broker::{
    Assignment, Broker, CleanupPolicy, Fetched, NewTopic, PartitionReader, Position, TopicPartition, Waker,
};
use millstream::client::RecordWriter;
use millstream::dsl::TopologyBuilder;
use millstream::record::{Record, Timestamp};
use millstream::topic::Topic;
use millstream::topology::Topology;
use millstream::worker::{Application, Instance, Options, Phase, Step, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

/// Runs a topology on topics of one partition each, in the calling thread: each record that is piped in is processed and
/// committed, exactly once, before the call returns.
///
/// Every method panics, with the reason, when the topology fails: this is for tests.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_test::TopologyTestDriver;
///
/// let (lines, lengths) = (Topic::new("lines", Utf8, Utf8), Topic::new("lengths", Utf8, Be64));
/// let mut driver = TopologyTestDriver::new({
///     let (lines, lengths) = (lines.clone(), lengths.clone());
///     move |b| b.stream(&lines).map_values(|line| line.len() as i64).to(&lengths)
/// });
/// driver.pipe(&lines, "a".to_string(), "hello".to_string(), 0);
/// assert_eq!(driver.entries(&lengths), [("a".to_string(), Some(5))]);
/// ```
pub struct TopologyTestDriver {
    cluster: MemoryBroker,
    broker: Arc<dyn Broker>,
    application: Arc<Application>,
    /// How many tasks the topology has.
    tasks: usize,
    running: Running,
    now: Timestamp,
    outputs: BTreeMap<String, Box<dyn PartitionReader>>,
}

struct Running {
    instance: Instance,
    worker: Worker,
}

/// A topology that has work left after so many steps passes records round and round.
const STEPS_MAX: usize = 1_000_000;

/// How long a worker waits after a commit that was refused, in ms.
const RETRY_MS: i64 = 100;

impl TopologyTestDriver {
    /// Builds the topology and starts it, at wall-clock time 0. Its source topics, and the sinks whose names are fixed,
    /// are created.
    pub fn new(define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        let application = application(define);
        let cluster = MemoryBroker::new();
        let never = i64::MAX;
        let settings = ClientSettings {
            session_timeout_ms: never,
            transaction_timeout_ms: never,
            ..ClientSettings::new(application.options.application_id.clone())
        };
        let broker = cluster.client(settings);
        let tasks = create_topics(&application, &*broker);
        let running = start(&application, &broker);
        let outputs = BTreeMap::new();
        let mut driver = TopologyTestDriver { cluster, broker, application, tasks, running, now: 0, outputs };
        driver.settle();
        driver
    }

    /// Creates a topic, for a sink that chooses its topic by the record.
    pub fn create_topic(&self, name: &str) {
        ok(self.broker.create(&[one_partition(name)]));
    }

    /// Pipes in a record; `timestamp` in ms.
    pub fn pipe<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>, key: K, value: V, timestamp: Timestamp) {
        self.pipe_record(topic, Record::new(key, Some(value), timestamp));
    }

    /// Pipes in a record whose value is null; `timestamp` in ms.
    pub fn pipe_null<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>, key: K, timestamp: Timestamp) {
        self.pipe_record(topic, Record::new(key, None, timestamp));
    }

    /// Pipes in a record with headers; `None` is a null value.
    pub fn pipe_record<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>, record: Record<K, Option<V>>) {
        let mut writer = ok(RecordWriter::new(&*self.broker));
        ok(writer.send(topic, &record));
        ok(writer.flush());
        self.settle();
    }

    /// Moves the wall clock on, and runs what is due by then.
    pub fn advance(&mut self, by: Duration) {
        self.now += by.as_millis() as i64;
        self.cluster.advance_to(self.now);
        self.settle();
    }

    /// Stops the topology and starts it again with empty memory: state comes back from the changelogs.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// Stops the topology and starts another one in its place: a later version of it, with the same application id, so that
    /// it goes on from the same positions, with the same changelogs.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let sums = |factor: i64| {
    ///     let (i, o) = (input.clone(), output.clone());
    ///     move |b: &TopologyBuilder| {
    ///         b.stream(&i).group_by_key().reduce(Store::new("sums", Utf8, Be64), move |a, b| a + factor * b).to_stream().to(&o)
    ///     }
    /// };
    /// let mut driver = TopologyTestDriver::new(sums(1));
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// driver.restart_with(sums(10));
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// assert_eq!(driver.values(&output), [2, 32]);
    /// ```
    pub fn restart_with(&mut self, define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) {
        self.stop();
        self.application = application(define);
        self.tasks = create_topics(&self.application, &*self.broker);
        self.start();
    }

    /// Has the next commit refused: what was done for it is taken back, and done again. Then the wall clock goes on by 100 ms,
    /// as a worker waits for so long.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).group_by_key().reduce(Store::new("sums", Utf8, Be64), |a, b| a + b).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// driver.refuse_next_commit();
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// assert_eq!(driver.values(&output), [2, 5]);
    /// assert_eq!(driver.aborts(), 1);
    /// ```
    pub fn refuse_next_commit(&mut self) {
        self.cluster.refuse_commits(1);
    }

    /// How often the topology went back to its last commit since it was started.
    pub fn aborts(&self) -> u64 {
        self.running.instance.status().iter().map(|status| status.aborts.load(Ordering::Relaxed)).sum()
    }

    /// How many records came too late since the topology was started, for each node that had some.
    pub fn late(&self) -> BTreeMap<String, u64> {
        let of_workers = self.running.instance.status().iter().map(|status| status.late()).collect::<Vec<_>>();
        of_workers.into_iter().flatten().map(|(node, count)| (node.to_string(), count)).collect()
    }

    /// The topology that runs, as a value.
    pub fn topology(&self) -> &Topology {
        &self.application.topology
    }

    /// Whether there is a topic of that name.
    pub fn has_topic(&self, name: &str) -> bool {
        ok(self.broker.describe(&[name])).iter().any(Option::is_some)
    }

    fn stop(&mut self) {
        self.running.instance.stop();
        while self.running.instance.step(Duration::ZERO) != Phase::Stopped {
            self.running.worker.step(self.now);
        }
        self.cluster.clean();
    }

    fn start(&mut self) {
        self.running = start(&self.application, &self.broker);
        self.settle();
    }

    /// The records that came to a topic since the last look; a null value is `None`.
    pub fn records<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<Record<K, Option<V>>> {
        self.read(topic, |value| value.map(|bytes| ok(topic.value_serde().decode(bytes))))
    }

    /// Keys and values that came to a topic since the last look; a null value is `None`.
    pub fn entries<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<(K, Option<V>)> {
        self.records(topic).into_iter().map(|record| (record.key, record.value)).collect()
    }

    /// Values that came to a topic since the last look. A null value is read by the topic's serde, which is an error for
    /// most; see [`TopologyTestDriver::entries`].
    pub fn values<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<V> {
        let read = |value: Option<&[u8]>| match value {
            Some(bytes) => ok(topic.value_serde().decode(bytes)),
            None => ok(topic.value_serde().decode_null()),
        };
        self.read(topic, read).into_iter().map(|record| record.value).collect()
    }

    fn read<K: 'static, V: 'static, R>(
        &mut self,
        topic: &Topic<K, V>,
        value: impl Fn(Option<&[u8]>) -> R,
    ) -> Vec<Record<K, R>> {
        let broker = &self.broker;
        let reader = self.outputs.entry(topic.name().to_owned()).or_insert_with(|| {
            let partition = TopicPartition::new(topic.name(), 0);
            ok(broker.reader(Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) }))
        });
        let mut records = Vec::new();
        let read = reader.read(usize::MAX, &mut |fetched| {
            if let Fetched::Record(message) = fetched {
                let key = match message.key {
                    Some(bytes) => ok(topic.key_serde().decode(bytes)),
                    None => ok(topic.key_serde().decode_null()),
                };
                let (timestamp, headers) = (message.timestamp, message.headers);
                records.push(Record { key, value: value(message.value), timestamp, headers });
            }
            ControlFlow::Continue(())
        });
        ok(read);
        records
    }

    /// Steps the instance and its worker until all that there is has been processed and committed.
    fn settle(&mut self) {
        let Running { instance, worker } = &mut self.running;
        for _ in 0..STEPS_MAX {
            instance.step(Duration::ZERO);
            let to_refuse = self.cluster.refused_commits();
            let idle = worker.step(self.now) != Step::Busy;
            if self.cluster.refused_commits() < to_refuse {
                self.now += RETRY_MS;
                self.cluster.advance_to(self.now);
            }
            if let Some(failure) = instance.failure() {
                panic!("the topology failed: {failure}");
            }
            let running = instance.status().iter().map(|status| status.tasks().len()).sum::<usize>() == self.tasks;
            if idle && running && ok(instance.is_drained(&*self.broker)) {
                return;
            }
        }
        panic!("the topology does not come to rest");
    }
}

fn start(application: &Arc<Application>, broker: &Arc<dyn Broker>) -> Running {
    let waker: Waker = Arc::new(|| ());
    let (instance, mut seeds) = ok(Instance::start(application.clone(), broker.clone(), vec![waker]));
    let worker = Worker::from(seeds.remove(0));
    Running { instance, worker }
}

fn application(define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Arc<Application> {
    let options = Options { commit_interval_ms: 0, ..Options::new("test", "driver") };
    ok(Application::new(options, Arc::new(define)))
}

/// Creates the topics that a topology needs; returns how many tasks it has.
fn create_topics(application: &Application, broker: &dyn Broker) -> usize {
    for name in own_topics(&application.topology) {
        ok(broker.create(&[one_partition(&name)]));
    }
    let plan = ok(application.plan(broker));
    ok(application.create_topics(broker, &plan));
    plan.tasks.iter().map(|count| *count as usize).sum()
}

/// The topics that users make: sources, and sinks whose names are fixed.
fn own_topics(topology: &Topology) -> Vec<String> {
    let internal = |topic: &str| topology.repartitions.iter().any(|repartition| *repartition.topic == *topic);
    let sinks = topology.sub_topologies.iter().flat_map(|sub| &sub.sinks).map(ToString::to_string);
    let topics = topology.source_topics().iter().map(ToString::to_string).chain(sinks).collect::<Vec<_>>();
    topics.into_iter().filter(|topic| !internal(topic)).collect()
}

fn one_partition(name: &str) -> NewTopic {
    let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let (partitions, replication_factor, cleanup_policy) = (1, None, CleanupPolicy::Delete);
    NewTopic { name: name.to_owned(), partitions, replication_factor, cleanup_policy, config }
}

#[track_caller]
fn ok<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
