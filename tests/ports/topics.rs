//! The cluster itself.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::broker::{CleanupPolicy, ErrorKind, NewTopic, Position, TopicDescription, TopicPartition};
use millstream_kafka::{GroupProtocol, KafkaBroker};

use crate::support::{
    Bell, Got, address, assignment, broker, client, clusters, contents, got, settings, topic, unique, until, write,
    writer,
};

#[test]
fn topics_are_created_once_and_described() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let new = |policy, config| NewTopic {
            name: unique("create"),
            partitions: 3,
            replication_factor: Some(1),
            cleanup_policy: policy,
            config,
        };
        let retention = BTreeMap::from([("retention.ms".to_owned(), "3600000".to_owned())]);
        let topics = [
            new(CleanupPolicy::Compact, BTreeMap::new()),
            new(CleanupPolicy::CompactDelete, retention),
            new(CleanupPolicy::Delete, BTreeMap::new()),
        ];
        broker.create(&topics[..1]).unwrap();
        broker.create(&topics).unwrap();
        let missing = unique("missing");
        let names = [&topics[1].name, &missing, &topics[0].name, &topics[2].name].map(String::as_str);
        let described = |topic: &NewTopic| {
            let (name, cleanup_policy) = (topic.name.clone(), topic.cleanup_policy);
            Some(TopicDescription { name, partitions: 3, cleanup_policy })
        };
        let expected = [described(&topics[1]), None, described(&topics[0]), described(&topics[2])];
        assert_eq!(broker.describe(&names).unwrap(), expected);

        let bad = new(CleanupPolicy::Delete, BTreeMap::from([("retention.milliseconds".to_owned(), "1".to_owned())]));
        let error = broker.create(std::slice::from_ref(&bad)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fatal);
        assert!(error.message.contains(&bad.name), "{error}");
    }
}

#[test]
fn records_before_an_offset_are_deleted() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        write(&*broker, &topic, &["a", "b", "c", "d"]);
        let partition = TopicPartition::new(topic.as_str(), 0);
        broker.delete_records(&[(partition.clone(), 3)]).unwrap();
        until("the deletion", || (contents(&*broker, &topic) == [got(3, "d"), Got::End(4)]).then_some(()));
        assert_eq!(broker.end_offsets(std::slice::from_ref(&partition)).unwrap(), [4]);

        // What was deleted cannot be read on from.
        let mut reader = broker.reader(assignment(&partition, Position::Offset(1), &Bell::default())).unwrap();
        let error = until("an error", || reader.read(10, &mut |fetched| panic!("{fetched:?}")).err());
        assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
        assert!(error.message.contains(&topic), "{error}");
    }
}

#[test]
fn settled_ends_are_behind_the_markers_of_what_was_committed() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let partition = [TopicPartition::new(topic.as_str(), 0)];
        let (_member, mut producer) = writer(&*broker, &topic, Some(&unique("settled")));
        for commits in 1..=20 {
            crate::support::send(&mut *producer, 0, "x");
            producer.commit(&[]).unwrap();
            assert_eq!(broker.settled_end_offsets(&partition).unwrap(), [2 * commits]);
        }
    }
}

#[test]
fn end_offsets_count_what_is_not_committed() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 2);
        let partitions = [TopicPartition::new(topic.as_str(), 1), TopicPartition::new(topic.as_str(), 0)];
        let (_member, mut producer) = writer(&*broker, &topic, Some(&unique("open")));
        crate::support::send(&mut *producer, 1, "x");
        until("the open record", || (broker.end_offsets(&partitions).unwrap() == [1, 0]).then_some(()));
        assert_eq!(contents(&*broker, &topic), [Got::End(0)]);
        producer.abort().unwrap();
        until("the marker", || (broker.end_offsets(&partitions).unwrap() == [2, 0]).then_some(()));
        assert_eq!(broker.settled_end_offsets(&partitions).unwrap(), [2, 0]);
        let twice = [&partitions[..], &partitions[..1]].concat();
        assert_eq!(broker.end_offsets(&twice).unwrap(), [2, 0, 2]);
        assert!(broker.end_offsets(&[]).unwrap().is_empty());
    }
}

#[test]
fn offsets_are_found_by_timestamp() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 2);
        let partitions = [TopicPartition::new(topic.as_str(), 1), TopicPartition::new(topic.as_str(), 0)];
        let mut producer = broker.producer(&[topic.as_str().into()]).unwrap();
        for timestamp in [1_000, 3_000, 2_000, 4_000] {
            let record = millstream::broker::Outgoing {
                topic: millstream::broker::TopicId(0),
                partition: Some(1),
                timestamp,
                key: None,
                value: Some(b"x"),
                headers: &millstream::record::Headers::default(),
            };
            producer.send(record).unwrap();
        }
        producer.commit(&[]).unwrap();
        let at = |timestamp| broker.offsets_at(&partitions, timestamp).unwrap();
        assert_eq!(at(0), [Some(0), None]);
        assert_eq!(at(1_001), [Some(1), None]);
        assert_eq!(at(3_001), [Some(3), None]);
        assert_eq!(at(4_001), [None, None]);
    }
}

#[test]
fn waiting_for_a_cluster_ends() {
    let Some(address) = address() else { return };
    let mut waited = Vec::new();
    broker(&address).wait_until_up(Duration::from_secs(30), &mut |time| waited.push(time)).unwrap();

    let nobody = KafkaBroker::new(settings("127.0.0.1:1", GroupProtocol::Classic)).unwrap();
    waited.clear();
    let error = nobody.wait_until_up(Duration::from_millis(1500), &mut |time| waited.push(time)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.message.contains("127.0.0.1:1"), "{error}");
    assert!(!waited.is_empty() && waited.is_sorted());
}
