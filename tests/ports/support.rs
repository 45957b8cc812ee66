//! What the tests share: names, topics, readers that wait.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use millstream::broker::{
    Assignment, Broker, CleanupPolicy, Committed, Fetched, GroupEvent, GroupMember, NewTopic, Outgoing,
    PartitionReader, Position, Producer, TopicId, TopicPartition, Waker,
};
use millstream::record::Headers;
use millstream_kafka::{GroupProtocol, KafkaBroker, KafkaSettings};
use millstream_local_kafka::{TestBroker, test_broker};
use millstream_memory::ClientSettings;
use millstream_tests::cluster::Cluster;
pub(crate) use millstream_tests::cluster::clusters;

/// What hangs is a failure after this.
const HANG: Duration = Duration::from_secs(60);

/// The Kafka to test against; without one, a line says that the test did not run.
pub(crate) fn address() -> Option<String> {
    if let TestBroker::Kafka(address) = test_broker() {
        return Some(address);
    }
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{test}: not run: these are the ports on a real Kafka, and there is none").unwrap();
    None
}

/// A client of a group of its own.
pub(crate) fn client(cluster: &Cluster) -> Arc<dyn Broker> {
    match cluster {
        Cluster::Embedded(cluster) => cluster.client(ClientSettings::new(unique("group"))),
        Cluster::Kafka { address, protocol } => Arc::new(KafkaBroker::new(settings(address, *protocol)).unwrap()),
    }
}

/// A name that nothing else has.
pub(crate) fn unique(what: &str) -> String {
    millstream_tests::cluster::unique(&format!("ports-{what}"))
}

pub(crate) fn settings(address: &str, protocol: GroupProtocol) -> KafkaSettings {
    let mut settings = KafkaSettings::new(address, unique("group"));
    settings.group_protocol = protocol;
    if protocol == GroupProtocol::Classic {
        settings.consumer_properties.insert("heartbeat.interval.ms".into(), "300".into());
    }
    settings
}

pub(crate) fn broker(address: &str) -> KafkaBroker {
    KafkaBroker::new(settings(address, GroupProtocol::Classic)).unwrap()
}

/// A new topic's name.
pub(crate) fn topic(broker: &dyn Broker, partitions: i32) -> String {
    let name = unique("topic");
    broker
        .create(&[NewTopic {
            name: name.clone(),
            partitions,
            replication_factor: None,
            cleanup_policy: CleanupPolicy::Delete,
            // The tests' records are of 1970.
            config: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        }])
        .unwrap();
    name
}

/// Repeats `step` until it yields something.
pub(crate) fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = step() {
            return value;
        }
        assert!(start.elapsed() < HANG, "waited too long for {what}");
    }
}

/// A member that writes only: it never polls, and has no partitions.
pub(crate) fn writer(
    broker: &dyn Broker,
    topic: &str,
    transactional_id: Option<&str>,
) -> (Box<dyn GroupMember>, Box<dyn Producer>) {
    let mut member = broker.join(&[topic]).unwrap();
    let producer = member.producer(transactional_id, &[topic.into()]).unwrap();
    (member, producer)
}

static NO_HEADERS: LazyLock<Headers> = LazyLock::new(Headers::default);

pub(crate) fn record<'a>(partition: i32, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Outgoing<'a> {
    Outgoing { topic: TopicId(0), partition: Some(partition), timestamp: 1000, key, value, headers: &NO_HEADERS }
}

/// Writes a text without a key to the producer's first topic.
pub(crate) fn send(producer: &mut dyn Producer, partition: i32, text: &str) {
    producer.send(record(partition, None, Some(text.as_bytes()))).unwrap();
}

/// Writes texts to partition 0 of a topic, outside of transactions.
pub(crate) fn write(broker: &dyn Broker, topic: &str, texts: &[&str]) {
    let (member, mut producer) = writer(broker, topic, None);
    texts.iter().for_each(|text| send(&mut *producer, 0, text));
    producer.commit(&[]).unwrap();
    member.leave().unwrap();
}

pub(crate) fn at(offset: i64, metadata: &str) -> Committed {
    Committed { offset, metadata: metadata.to_owned() }
}

/// Wakes a thread that waits.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<(Mutex<u64>, Condvar)>);

impl Bell {
    pub(crate) fn waker(&self) -> Waker {
        let bell = self.clone();
        Arc::new(move || {
            *bell.0.0.lock().unwrap() += 1;
            bell.0.1.notify_all();
        })
    }

    /// How often it rang.
    pub(crate) fn count(&self) -> u64 {
        *self.0.0.lock().unwrap()
    }

    /// Waits until it rings after it had rung `seen` times.
    pub(crate) fn wait(&self, seen: u64) {
        let count = self.0.0.lock().unwrap();
        let waited = self.0.1.wait_timeout_while(count, HANG, |count| *count <= seen).unwrap();
        assert!(!waited.1.timed_out(), "nobody was woken");
    }

    pub(crate) fn pause(&self, time: Duration) {
        let count = self.0.0.lock().unwrap();
        let seen = *count;
        drop(self.0.1.wait_timeout_while(count, time, |count| *count == seen).unwrap());
    }
}

pub(crate) fn assignment(partition: &TopicPartition, from: Position, bell: &Bell) -> Assignment {
    Assignment { partition: partition.clone(), from, waker: bell.waker() }
}

/// What a reader handed over, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Record(i64, String),
    End(i64),
}

pub(crate) fn got(offset: i64, text: &str) -> Got {
    Got::Record(offset, text.to_owned())
}

pub(crate) fn short(fetched: &Fetched<'_>) -> Got {
    match fetched {
        Fetched::Record(record) => {
            Got::Record(record.offset, String::from_utf8_lossy(record.value.unwrap_or(b"null")).into_owned())
        }
        Fetched::End(offset) => Got::End(*offset),
    }
}

/// Reads until the end has been reached.
pub(crate) fn read_to_end(reader: &mut dyn PartitionReader) -> Vec<Got> {
    let mut all = Vec::new();
    until("the end of a partition", || {
        reader
            .read(1000, &mut |fetched| {
                all.push(short(&fetched));
                ControlFlow::Continue(())
            })
            .unwrap();
        std::thread::sleep(Duration::from_millis(1));
        matches!(all.last(), Some(Got::End(_))).then_some(())
    });
    all
}

/// Everything in partition 0 of a topic that is committed.
pub(crate) fn contents(broker: &dyn Broker, topic: &str) -> Vec<Got> {
    let partition = TopicPartition::new(topic, 0);
    let mut reader = broker.reader(assignment(&partition, Position::Beginning, &Bell::default())).unwrap();
    read_to_end(&mut *reader)
}

/// Partitions with their readers.
pub(crate) type Readers = Vec<(TopicPartition, Box<dyn PartitionReader>)>;

/// The same, once every transaction is ended: a commit is answered before its markers are written.
pub(crate) fn settled_contents(broker: &dyn Broker, topic: &str) -> Vec<Got> {
    let partition = TopicPartition::new(topic, 0);
    until("the markers", || {
        let contents = contents(broker, topic);
        let end = broker.end_offsets(std::slice::from_ref(&partition)).unwrap()[0];
        (contents.last() == Some(&Got::End(end))).then_some(contents)
    })
}

/// Polls until the member is given partitions, and answers: they are read from the beginning.
pub(crate) fn assigned(member: &mut dyn GroupMember, bell: &Bell) -> Readers {
    assigned_from(member, Position::Beginning, bell)
}

pub(crate) fn assigned_from(member: &mut dyn GroupMember, from: Position, bell: &Bell) -> Readers {
    until("an assignment", || match member.poll(Duration::from_millis(100)).unwrap() {
        Some(GroupEvent::Assigned(partitions)) => {
            let assignments = partitions.iter().map(|p| assignment(p, from, bell)).collect();
            let readers = member.assign(assignments).unwrap();
            Some(partitions.into_iter().zip(readers).collect())
        }
        Some(other) => panic!("{other:?}"),
        None => None,
    })
}
