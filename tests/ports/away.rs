//! A broker that does not answer, or answers with errors: librdkafka's own mock of a cluster.

use std::time::{Duration, Instant};

use millstream::broker::{Broker, ErrorKind, TopicPartition};
use millstream_kafka::{GroupProtocol, KafkaBroker, KafkaSettings};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Code};

use crate::support::{Bell, assigned, at, record, send, settings, unique};

type Mock = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "topic";

fn cluster() -> (Mock, KafkaSettings) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let mut settings = settings(&cluster.bootstrap_servers(), GroupProtocol::Classic);
    settings.consumer_properties.insert("session.timeout.ms".into(), "6000".into());
    (cluster, settings)
}

/// The result of a call, which must end within so many seconds.
fn within<T>(seconds: u64, call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = call();
    assert!(start.elapsed() < Duration::from_secs(seconds), "took {:?}", start.elapsed());
    result
}

#[test]
fn a_writer_waits_for_a_broker_until_the_delivery_timeout() {
    let (cluster, mut settings) = cluster();
    settings.producer_properties.insert("message.timeout.ms".into(), "2000".into());
    settings.producer_properties.insert("queue.buffering.max.messages".into(), "10".into());
    let broker = KafkaBroker::new(settings).unwrap();
    let mut producer = broker.producer(&[TOPIC.into()]).unwrap();
    send(&mut *producer, 0, "a");
    producer.commit(&[]).unwrap();
    cluster.broker_down(1).unwrap();
    let start = Instant::now();
    let refused = within(12, || (0..).find_map(|_| producer.send(record(0, None, Some(b"x"))).err())).unwrap();
    assert!(start.elapsed() > Duration::from_millis(1500), "{refused} after {:?}", start.elapsed());
    assert_eq!(refused.kind, ErrorKind::Abort, "{refused}");
    // What was not written is told until the caller has taken note of it.
    let error = within(12, || producer.commit(&[])).unwrap_err();
    assert_eq!((error.kind, error.message), (refused.kind, refused.message));
    cluster.broker_up(1).unwrap();
    producer.abort().unwrap();
    send(&mut *producer, 0, "b");
    within(12, || producer.commit(&[])).unwrap();
}

#[test]
fn a_writer_that_waits_is_let_go_when_its_member_leaves() {
    let (cluster, mut settings) = cluster();
    settings.producer_properties.insert("queue.buffering.max.messages".into(), "10".into());
    let broker = KafkaBroker::new(settings).unwrap();
    let mut member = broker.join(&[TOPIC]).unwrap();
    let mut producer = member.producer(None, &[TOPIC.into()]).unwrap();
    send(&mut *producer, 0, "a");
    producer.commit(&[]).unwrap();
    cluster.broker_down(1).unwrap();
    let writer = std::thread::spawn(move || {
        let full = (0..).find_map(|_| producer.send(record(0, None, Some(b"x"))).err());
        (full.unwrap(), producer.commit(&[]).unwrap_err())
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(!writer.is_finished());
    within(8, || member.leave()).unwrap();
    let (full, commit) = within(2, || writer.join()).unwrap();
    for error in [full, commit] {
        assert!(error.kind == ErrorKind::Abort && error.message.contains("left its group"), "{error}");
    }
}

#[test]
fn a_transaction_whose_end_is_not_known_costs_its_producer() {
    let (cluster, mut settings) = cluster();
    settings.producer_properties.insert("transaction.timeout.ms".into(), "2000".into());
    let broker = KafkaBroker::new(settings).unwrap();
    let mut member = broker.join(&[TOPIC]).unwrap();
    for commit in [true, false] {
        let mut producer = member.producer(Some(&unique("open")), &[TOPIC.into()]).unwrap();
        send(&mut *producer, 0, "a");
        producer.commit(&[]).unwrap();
        send(&mut *producer, 0, "b");
        // So that the record is delivered: the end of the transaction alone is missing.
        std::thread::sleep(Duration::from_millis(500));
        cluster.broker_down(1).unwrap();
        let error = within(10, || if commit { producer.commit(&[]) } else { producer.abort() }).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
        within(3, || drop(producer));
        cluster.broker_up(1).unwrap();
    }
    within(8, || member.leave()).unwrap();
}

#[test]
fn a_member_whose_broker_is_away_does_not_hang() {
    let (cluster, settings) = cluster();
    let broker = KafkaBroker::new(settings).unwrap();
    let mut member = broker.join(&[TOPIC]).unwrap();
    let (partition, _reader) = assigned(&mut *member, &Bell::default()).pop().unwrap();
    let mut producer = member.producer(None, &[TOPIC.into()]).unwrap();
    producer.commit(&[(partition.clone(), at(1, ""))]).unwrap();
    cluster.broker_down(1).unwrap();
    let error = within(14, || producer.commit(&[(partition.clone(), at(2, ""))])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry, "{error}");
    let error = within(8, || member.committed(&[partition])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry, "{error}");
    within(3, || drop(producer));
    within(8, || member.leave()).unwrap();
    within(3, || drop(broker));
}

#[test]
fn errors_of_the_broker_say_what_to_do() {
    use Code::*;
    let (cluster, settings) = cluster();
    let broker = KafkaBroker::new(settings).unwrap();
    let mut member = broker.join(&[TOPIC]).unwrap();
    let _readers = assigned(&mut *member, &Bell::default());
    let partition = TopicPartition::new(TOPIC, 0);
    let cases = [
        (true, Api::EndTxn, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, None),
        (true, Api::EndTxn, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, None),
        (true, Api::EndTxn, RD_KAFKA_RESP_ERR_UNKNOWN, Some(ErrorKind::Abort)),
        (true, Api::EndTxn, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Some(ErrorKind::Fenced)),
        (true, Api::EndTxn, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Some(ErrorKind::Fatal)),
        (true, Api::AddOffsetsToTxn, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Some(ErrorKind::Fenced)),
        (true, Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, None),
        (true, Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, Some(ErrorKind::Abort)),
        (true, Api::TxnOffsetCommit, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, Some(ErrorKind::Abort)),
        (true, Api::AddPartitionsToTxn, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Some(ErrorKind::Fatal)),
        (true, Api::Produce, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, None),
        (true, Api::Produce, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, Some(ErrorKind::Abort)),
        (true, Api::Produce, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, Some(ErrorKind::Fenced)),
        (false, Api::Produce, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, None),
        (false, Api::Produce, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, Some(ErrorKind::Fenced)),
        (false, Api::OffsetCommit, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, None),
        (false, Api::OffsetCommit, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Some(ErrorKind::Fatal)),
        (false, Api::OffsetCommit, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, Some(ErrorKind::Abort)),
    ];
    for (transactional, api, code, expected) in cases {
        let id = unique("errors");
        let mut producer = member.producer(transactional.then_some(&*id), &[TOPIC.into()]).unwrap();
        send(&mut *producer, 0, "a");
        producer.commit(&[(partition.clone(), at(1, ""))]).unwrap();
        cluster.request_errors(api, &[code]);
        send(&mut *producer, 0, "b");
        let commit = producer.commit(&[(partition.clone(), at(2, ""))]);
        assert_eq!(commit.as_ref().err().map(|error| error.kind), expected, "{api:?} {code:?}: {commit:?}");
        if expected == Some(ErrorKind::Abort) && transactional {
            producer.abort().unwrap();
            send(&mut *producer, 0, "b");
            producer.commit(&[(partition.clone(), at(2, ""))]).unwrap();
        }
    }
    member.leave().unwrap();
}
