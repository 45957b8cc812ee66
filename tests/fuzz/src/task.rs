//! Records of any bytes on every topic that a topology reads: sources, repartition topics, changelogs; and positions with any
//! text.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use millstream::broker::{
    Assignment, Broker, BrokerError, CleanupPolicy, Committed, GroupEvent, NewTopic, Outgoing, Position, TopicPartition,
};
use millstream::dsl::TopologyBuilder;
use millstream::executor::{Executor, Work};
use millstream::record::{Headers, Timestamp};
use millstream::worker::{Application, Instance, Options, Phase, Step, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use crate::bytes::Bytes;

/// A topology, and the topics it reads.
pub(crate) struct Subject {
    application: Arc<Application>,
    topics: Vec<NewTopic>,
    sources: Vec<Arc<str>>,
}

const GROUP: &str = "fuzz";

/// An instance that is not done after so many steps goes round in circles, or sleeps for ever.
const STEPS_MAX: usize = 20_000;

impl Subject {
    pub(crate) fn new(define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        let options = Options { commit_interval_ms: 0, watermark_interval_ms: 0, ..Options::new(GROUP, "instance") };
        let application = Application::new(options, Arc::new(define)).unwrap_or_else(|error| panic!("{error}"));
        let cluster = MemoryBroker::new();
        let broker = cluster.client(ClientSettings::new(GROUP));
        let topology = &application.topology;
        let stores = || topology.sub_topologies.iter().flat_map(|sub| &sub.stores);
        let from_sources: Vec<_> =
            stores().filter(|store| store.from_source).filter_map(|store| store.changelog.clone()).collect();
        let internal: Vec<_> = topology.repartitions.iter().map(|repartition| repartition.topic.clone()).collect();
        let own = topology
            .source_topics()
            .into_iter()
            .chain(topology.sub_topologies.iter().flat_map(|sub| sub.sinks.iter().map(|sink| sink.to_string().into())));
        let own: std::collections::BTreeSet<Arc<str>> = own.filter(|name| !internal.contains(name)).collect();
        let mut topics: Vec<NewTopic> = own.iter().map(|name| topic(name, from_sources.contains(name))).collect();
        broker.create(&topics).unwrap_or_else(|error| panic!("{error}"));
        let plan = application.plan(&*broker).unwrap_or_else(|error| panic!("{error}"));
        topics.extend(plan.topics.into_iter().map(|planned| planned.topic));
        let sources = application.topology.source_topics();
        Subject { application, topics, sources }
    }
}

fn topic(name: &str, is_compacted: bool) -> NewTopic {
    let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let cleanup_policy = if is_compacted { CleanupPolicy::Compact } else { CleanupPolicy::Delete };
    NewTopic { name: name.to_owned(), partitions: 1, replication_factor: None, cleanup_policy, config }
}

/// Writes what the bytes say, runs the topology on it, and once more on what it left.
pub(crate) fn run(subject: &Subject, data: &[u8]) {
    let cluster = MemoryBroker::new();
    let settings =
        ClientSettings { session_timeout_ms: i64::MAX, transaction_timeout_ms: i64::MAX, ..ClientSettings::new(GROUP) };
    let broker = cluster.client(settings);
    let mut data = Bytes(data);
    let written = broker
        .create(&subject.topics)
        .and_then(|()| commit(subject, &*broker, &mut data))
        .and_then(|()| write(subject, &*broker, &mut data));
    written.unwrap_or_else(|error| panic!("the broker in memory: {error}"));
    let Ok(()) = pass(subject, &cluster, &broker, 0) else { return };
    cluster.clean();
    if let Err(failure) = pass(subject, &cluster, &broker, 10_000_000) {
        panic!("it does not take what it wrote itself: {failure}");
    }
}

/// Positions of the group, as if an earlier instance had left them, with texts of any kind.
fn commit(subject: &Subject, broker: &dyn Broker, data: &mut Bytes<'_>) -> Result<(), BrokerError> {
    let metadata = match data.one() % 8 {
        0 => format!("time={}", data.timestamp()),
        1 => format!("time={} sources={}", data.timestamp(), data.timestamp()),
        2 => String::from_utf8_lossy(data.piece()).into_owned(),
        _ => return Ok(()),
    };
    let sources: Vec<&str> = subject.sources.iter().map(|name| &**name).collect();
    let mut member = broker.join(&sources)?;
    for _ in 0..10 {
        let Some(GroupEvent::Assigned(partitions)) = member.poll(Duration::ZERO)? else { continue };
        let positions: Vec<_> = partitions.iter().map(|partition| (partition.clone(), metadata.clone())).collect();
        let assign = |partition: TopicPartition| Assignment { partition, from: Position::Beginning, waker: waker() };
        member.assign(partitions.into_iter().map(assign).collect())?;
        let mut producer = member.producer(None, &[])?;
        let committed =
            positions.into_iter().map(|(partition, metadata)| (partition, Committed { offset: 0, metadata }));
        producer.commit(&committed.collect::<Vec<_>>())?;
    }
    member.leave()
}

fn waker() -> millstream::broker::Waker {
    Arc::new(|| ())
}

fn write(subject: &Subject, broker: &dyn Broker, data: &mut Bytes<'_>) -> Result<(), BrokerError> {
    let mut producer = broker.producer(&[])?;
    while !data.is_empty() {
        let topic = &subject.topics[usize::from(data.one()) % subject.topics.len()];
        let topic = producer.topic(&topic.name)?;
        let shape = data.one();
        let timestamp = data.timestamp();
        let headers = headers(shape >> 2, data);
        let key = (shape & 1 == 0).then(|| data.piece());
        let value = (shape & 2 == 0).then(|| data.piece());
        // What a broker refuses, as a row without a key in a compacted topic, nobody reads.
        let _ = producer.send(Outgoing { topic, partition: Some(0), timestamp, key, value, headers: &headers });
    }
    producer.commit(&[])
}

/// Those that the engine knows, with any bytes.
fn headers(kind: u8, data: &mut Bytes<'_>) -> Headers {
    let mut headers = Headers::default();
    match kind % 16 {
        0 => headers.push("millstream-watermark", Some(data.some(21).to_vec())),
        1 => headers.push("millstream-watermark", Some(data.piece().to_vec())),
        2 => {
            // A mark of a task that there may be.
            let numbers = [data.one() % 4, data.one() % 2, data.one() % 3].map(|number| [0, 0, 0, number]);
            let mut mark = numbers.concat();
            mark.extend(data.timestamp().to_be_bytes());
            mark.push(data.one() % 2);
            headers.push("millstream-watermark", Some(mark));
        }
        3 => headers.push("store-version", Some(data.piece().to_vec())),
        4 | 5 => headers.push("store-version", Some((data.one() % 4).to_string().into_bytes())),
        6 => {
            headers.push("store-version", Some((data.one() % 4).to_string().into_bytes()));
            headers.push("store-moved", None);
        }
        7 => headers.push(String::from_utf8_lossy(data.piece()), Some(data.piece().to_vec())),
        _ => {}
    }
    headers
}

/// From a start to an orderly end; an error if the instance failed.
fn pass(
    subject: &Subject,
    cluster: &MemoryBroker,
    broker: &Arc<dyn Broker>,
    started_at: Timestamp,
) -> Result<(), String> {
    let started = Instance::start(subject.application.clone(), broker.clone(), vec![waker()]);
    let (mut instance, mut seeds) = started.map_err(|error| error.to_string())?;
    let mut worker = Worker::from(seeds.remove(0).with_executor(Arc::new(AtOnce)));
    let mut now = started_at;
    let (mut idle, mut is_stopping) = (0, false);
    for _ in 0..STEPS_MAX {
        let phase = instance.step(Duration::ZERO);
        let step = worker.step(now);
        if let Some(failure) = instance.failure() {
            return Err(failure.to_owned());
        }
        if phase == Phase::Stopped {
            return Ok(());
        }
        // In between, inputs come to count as idle, and windows close by the clock. What happens then is work again.
        if step != Step::Busy {
            idle += 1;
            now += if idle == 5 { 100_000 } else { 50 };
        }
        cluster.advance_to(now);
        if idle >= 12 && !is_stopping {
            is_stopping = true;
            instance.stop();
        }
    }
    let status: Vec<_> = instance.status().iter().map(|status| format!("{:?}", status.tasks())).collect();
    panic!("the instance does not come to an end: {:?}, {status:?}", instance.phase());
}

/// Runs work to where it waits for the first time. The calls of the topologies here do not wait.
struct AtOnce;

impl Executor for AtOnce {
    fn spawn(&self, mut work: Work) {
        let _ = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    fn sleep(&self, _: Duration) -> Work {
        Box::pin(std::future::pending())
    }
}
