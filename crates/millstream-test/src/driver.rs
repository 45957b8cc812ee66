use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream::broker::{Assignment, Broker, Fetched, PartitionReader, Position, TopicPartition, Waker};
use millstream::client::RecordWriter;
use millstream::dsl::TopologyBuilder;
use millstream::record::{Headers, Record, Timestamp};
use millstream::serde::{Bytes, Nullable};
use millstream::topic::Topic;
use millstream::topology::Topology;
use millstream::worker::{Application, ErrorLabels, Instance, Options, Phase, Step, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use crate::executor::TestExecutor;
use crate::ok;
use crate::topics::{create_topics, own_topic};

/// Runs a topology in the calling thread, on topics of one partition each or of as many as it is given: each record that
/// is piped in is processed and committed, exactly once, before the call returns.
///
/// Asynchronous calls run in the calling thread too, on a runtime of tokio whose clock stands still while a call can go on,
/// and else jumps to the next timer: a call that sleeps for an hour takes no time, and timeouts and retries are the same in
/// every run. They are done before a method returns. A call that waits for the outside world would see its timeout at once;
/// what it calls is to be replaced in a test.
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
    /// How many partitions the topics that it creates get.
    partitions: i32,
    /// How many tasks the topology has.
    tasks: usize,
    running: Running,
    now: Timestamp,
    /// For each topic that was looked at, its partitions' readers.
    outputs: BTreeMap<String, Vec<Box<dyn PartitionReader>>>,
}

/// A record on the dead letter topic, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its key, or null.
    pub key: Option<Vec<u8>>,
    /// Its value, or null.
    pub value: Option<Vec<u8>>,
    /// Its timestamp in ms.
    pub timestamp: Timestamp,
    /// Its own headers, and those that say why it is here.
    pub headers: Headers,
}

struct Running {
    instance: Instance,
    worker: Worker,
    executor: Arc<TestExecutor>,
}

/// A topology that has work left after so many steps passes records round and round.
const STEPS_MAX: usize = 1_000_000;

/// How long a worker waits after a commit that was refused, in ms.
const RETRY_MS: i64 = 100;

impl TopologyTestDriver {
    /// Builds the topology and starts it, at wall-clock time 0. Its source topics, and the sinks whose names are fixed,
    /// are created, with one partition each.
    pub fn new(define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        TopologyTestDriver::with_partitions(1, define)
    }

    /// As [`TopologyTestDriver::new`], with topics of `partitions` partitions: to see that a topology's results do not
    /// depend on how many there are. A record that is piped in goes to its key's partition.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (words, counts) = (Topic::new("words", Utf8, Unit), Topic::<_, i64>::new("counts", Utf8, Be64));
    /// for partitions in [1, 3, 12] {
    ///     let (w, c) = (words.clone(), counts.clone());
    ///     let mut driver = TopologyTestDriver::with_partitions(partitions, move |b| {
    ///         b.stream(&w).group_by_key().count(Store::new("by-word", Utf8, Be64)).to_stream().to(&c)
    ///     });
    ///     for word in ["a", "b", "a", "c"] {
    ///         driver.pipe(&words, word.to_string(), (), 0);
    ///     }
    ///     let mut counted = driver.entries(&counts);
    ///     counted.sort();
    ///     let expected = [("a", 1), ("a", 2), ("b", 1), ("c", 1)].map(|(word, n)| (word.to_string(), Some(n)));
    ///     assert_eq!(counted, expected);
    /// }
    /// ```
    pub fn with_partitions(partitions: i32, define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        TopologyTestDriver::start_with(application(define, |_| ()), partitions)
    }

    /// As [`TopologyTestDriver::new`], with options changed: what becomes of records that fail, or the guarantee.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_options(
    ///     |options| options.errors.process = ErrorPolicy::DeadLetter,
    ///     move |b| b.stream(&i).map_values(|v: i64| 10 / v).to(&o),
    /// );
    /// for value in [5, 0, 10] {
    ///     driver.pipe(&input, (), value, 7);
    /// }
    /// assert_eq!(driver.values(&output), [2, 1]);
    /// let letter = driver.dead_letters().remove(0);
    /// assert_eq!((letter.value, letter.timestamp), (Some(0_i64.to_be_bytes().to_vec()), 7));
    /// assert_eq!(letter.headers.last("millstream.error.offset"), Some(Some(b"1".as_slice())));
    /// ```
    pub fn with_options(
        change: impl Fn(&mut Options) + Send + Sync + 'static,
        define: impl Fn(&TopologyBuilder) + Send + Sync + 'static,
    ) -> Self {
        TopologyTestDriver::start_with(application(define, change), 1)
    }

    fn start_with(application: Arc<Application>, partitions: i32) -> Self {
        let cluster = MemoryBroker::new();
        let never = i64::MAX;
        let settings = ClientSettings {
            session_timeout_ms: never,
            transaction_timeout_ms: never,
            ..ClientSettings::new(application.options.application_id.clone())
        };
        let broker = cluster.client(settings);
        let tasks = create_topics(&application, &*broker, partitions);
        let running = start(&application, &broker);
        let outputs = BTreeMap::new();
        let mut driver =
            TopologyTestDriver { cluster, broker, application, partitions, tasks, running, now: 0, outputs };
        driver.settle();
        driver
    }

    /// Creates a topic, for a sink that chooses its topic by the record.
    pub fn create_topic(&self, name: &str) {
        ok(self.broker.create(&[own_topic(name, self.partitions)]));
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
        self.pipe_all(topic, [record]);
    }

    /// Pipes in several records at once: they are all on the topic before the first one is processed, so that one commit
    /// covers many of them.
    pub fn pipe_all<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
        records: impl IntoIterator<Item = Record<K, Option<V>>>,
    ) {
        self.write(topic, records);
        self.settle();
    }

    fn write<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
        records: impl IntoIterator<Item = Record<K, Option<V>>>,
    ) {
        let mut writer = ok(RecordWriter::new(&*self.broker));
        for record in records {
            ok(writer.send(topic, &record));
        }
        ok(writer.flush());
    }

    /// As [`TopologyTestDriver::pipe_all`], but nothing is processed yet.
    #[cfg(test)]
    pub(crate) fn pipe_later<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
        records: impl IntoIterator<Item = Record<K, Option<V>>>,
    ) {
        self.write(topic, records);
    }

    /// Takes so many steps, without the wall clock.
    #[cfg(test)]
    pub(crate) fn step_for(&mut self, steps: usize) {
        for _ in 0..steps {
            self.running.instance.step(Duration::ZERO);
            self.running.worker.step(self.now);
        }
    }

    /// Stops the topology wherever it is, and starts it with empty memory.
    #[cfg(test)]
    pub(crate) fn restart_unsettled(&mut self) {
        self.stop();
        self.running = start(&self.application, &self.broker);
    }

    /// Says where the worker is, from any thread.
    #[cfg(test)]
    pub(crate) fn place(&self) -> Box<dyn Fn() -> Option<millstream::worker::At> + Send> {
        let status = self.running.instance.status()[0].clone();
        Box::new(move || status.at())
    }

    #[cfg(test)]
    pub(crate) fn describe(&self, at: millstream::worker::At) -> String {
        self.application.describe_at(at)
    }

    /// Moves the wall clock on, and runs what is due by then.
    pub fn advance(&mut self, by: Duration) {
        self.now += by.as_millis() as i64;
        self.cluster.advance_to(self.now);
        self.settle();
    }

    /// Stops the topology and starts it again with empty memory: state comes back from the changelogs.
    pub fn restart(&mut self) {
        self.restart_after(|_| ());
    }

    /// As [`TopologyTestDriver::restart`]; `meanwhile` may write while the topology is stopped.
    pub(crate) fn restart_after(&mut self, meanwhile: impl FnOnce(&dyn Broker)) {
        self.stop();
        meanwhile(&*self.broker);
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
        let errors = self.application.options.errors.clone();
        let guarantee = self.application.options.guarantee;
        self.application = application(define, move |options| {
            options.errors = errors.clone();
            options.guarantee = guarantee;
        });
        self.tasks = create_topics(&self.application, &*self.broker, self.partitions);
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
        self.refuse_commit(1);
    }

    /// As [`TopologyTestDriver::refuse_next_commit`], for a later commit: what is behind a repartition topic is part of the
    /// second one at the earliest, as it reads what was committed.
    pub fn refuse_commit(&mut self, number: u32) {
        self.cluster.refuse_commits_after(number.saturating_sub(1), 1);
    }

    /// How often the topology went back to its last commit since it was started.
    pub fn aborts(&self) -> u64 {
        self.running.instance.status().iter().map(|status| status.aborts.load(Ordering::Relaxed)).sum()
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
            self.running.executor.turn();
        }
        self.cluster.clean();
    }

    fn start(&mut self) {
        self.running = start(&self.application, &self.broker);
        self.settle();
    }

    /// The records that came to a topic since the last look, partition after partition; a null value is `None`.
    pub fn records<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<Record<K, Option<V>>> {
        self.records_by_partition(topic).into_iter().flatten().collect()
    }

    /// The same records, for each partition in its order.
    pub fn records_by_partition<K: 'static, V: 'static>(
        &mut self,
        topic: &Topic<K, V>,
    ) -> Vec<Vec<Record<K, Option<V>>>> {
        self.read(topic, |value| value.map(|bytes| ok(topic.value_serde().decode(bytes))))
    }

    /// Keys and values that came to a topic since the last look, partition after partition; a null value is `None`.
    pub fn entries<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<(K, Option<V>)> {
        self.records(topic).into_iter().map(|record| (record.key, record.value)).collect()
    }

    /// Values that came to a topic since the last look, partition after partition. A null value is read by the topic's
    /// serde, which is an error for most; see [`TopologyTestDriver::entries`].
    pub fn values<K: 'static, V: 'static>(&mut self, topic: &Topic<K, V>) -> Vec<V> {
        let read = |value: Option<&[u8]>| match value {
            Some(bytes) => ok(topic.value_serde().decode(bytes)),
            None => ok(topic.value_serde().decode_null()),
        };
        self.read(topic, read).into_iter().flatten().map(|record| record.value).collect()
    }

    fn read<K: 'static, V: 'static, R>(
        &mut self,
        topic: &Topic<K, V>,
        value: impl Fn(Option<&[u8]>) -> R,
    ) -> Vec<Vec<Record<K, R>>> {
        let broker = &self.broker;
        let readers = self.outputs.entry(topic.name().to_owned()).or_insert_with(|| readers(&**broker, topic.name()));
        let mut partitions = Vec::new();
        for reader in readers {
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
            partitions.push(records);
        }
        partitions
    }

    /// How many records came too late since the topology was started, for each node that had some.
    pub fn late(&self) -> BTreeMap<Arc<str>, u64> {
        let mut late = BTreeMap::new();
        for (node, count) in self.running.instance.status().iter().flat_map(|status| status.late()) {
            *late.entry(node).or_default() += count;
        }
        late
    }

    /// How many records failed since the topology was started, by node, kind, and what was done about them.
    pub fn errors(&self) -> BTreeMap<ErrorLabels, u64> {
        let mut errors = BTreeMap::new();
        for (labels, count) in self.running.instance.status().iter().flat_map(|status| status.errors()) {
            *errors.entry(labels).or_default() += count;
        }
        errors
    }

    /// The dead letters that came since the last look: the records as they were, with headers that say why.
    pub fn dead_letters(&mut self) -> Vec<DeadLetter> {
        let Some(name) = self.application.dead_letter_topic() else { return Vec::new() };
        let topic = Topic::new(name, Nullable(Bytes), Nullable(Bytes));
        let read = |value: Option<&[u8]>| value.map(<[u8]>::to_vec);
        let letters = self.read(&topic, read).into_iter().flatten();
        let letter = |Record { key, value, timestamp, headers }| DeadLetter { key, value, timestamp, headers };
        letters.map(letter).collect()
    }

    /// Steps the instance and its worker until all that there is has been processed and committed.
    fn settle(&mut self) {
        let Running { instance, worker, executor } = &mut self.running;
        for _ in 0..STEPS_MAX {
            instance.step(Duration::ZERO);
            let to_refuse = self.cluster.refused_commits();
            let idle = worker.step(self.now) != Step::Busy;
            let retry_at = instance.status().iter().map(|status| status.retry_at.load(Ordering::Relaxed)).max();
            if idle && let Some(at) = retry_at.filter(|at| *at > self.now) {
                self.now = at;
                self.cluster.advance_to(self.now);
                continue;
            }
            if self.cluster.refused_commits() < to_refuse {
                self.now += RETRY_MS;
                self.cluster.advance_to(self.now);
            }
            if let Some(failure) = instance.failure() {
                panic!("the topology failed: {failure}");
            }
            let running = instance.status().iter().map(|status| status.tasks().len()).sum::<usize>() == self.tasks;
            // Calls for what a punctuation pushed are about no position.
            let committed = instance.status().iter().all(|status| status.is_idle.load(Ordering::Relaxed));
            if idle && running && committed && ok(instance.is_drained(&*self.broker)) {
                return;
            }
            if idle {
                executor.turn();
            }
        }
        panic!("the topology does not come to rest");
    }
}

fn start(application: &Arc<Application>, broker: &Arc<dyn Broker>) -> Running {
    let waker: Waker = Arc::new(|| ());
    let (instance, mut seeds) = ok(Instance::start(application.clone(), broker.clone(), vec![waker]));
    let executor = Arc::new(ok(TestExecutor::new()));
    let worker = Worker::from(seeds.remove(0).with_executor(executor.clone()));
    Running { instance, worker, executor }
}

/// A reader of each partition of a topic, from its beginning.
fn readers(broker: &dyn Broker, topic: &str) -> Vec<Box<dyn PartitionReader>> {
    let Some(described) = ok(broker.describe(&[topic])).remove(0) else {
        panic!("topic {topic} does not exist");
    };
    let partitions = (0..described.partitions).map(|number| TopicPartition::new(topic, number));
    let assignments =
        partitions.map(|partition| Assignment { partition, from: Position::Beginning, waker: Arc::new(|| ()) });
    assignments.map(|assignment| ok(broker.reader(assignment))).collect()
}

fn application(
    define: impl Fn(&TopologyBuilder) + Send + Sync + 'static,
    change: impl Fn(&mut Options),
) -> Arc<Application> {
    let mut options = Options { commit_interval_ms: 0, watermark_interval_ms: 0, ..Options::new("test", "driver") };
    change(&mut options);
    ok(Application::new(options, Arc::new(define)))
}
