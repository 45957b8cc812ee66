//! What is written, and how.

use std::ops::ControlFlow;

use millstream::broker::{ErrorKind, Fetched, Outgoing, Position, TopicId, TopicPartition};
use millstream::record::Headers;
use millstream_kafka::{GroupProtocol, KafkaBroker};

use crate::support::{
    Bell, Got, address, assignment, at, broker, client, clusters, contents, got, record, send, settings,
    settled_contents, topic, unique, until, writer,
};

#[test]
fn bytes_headers_and_times_come_back_as_they_went() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let (member, mut producer) = writer(&*broker, &topic, None);
        let headers: Headers = [("a".into(), Some(b"1".to_vec())), ("none".into(), None), ("a".into(), Some(vec![]))]
            .into_iter()
            .collect();
        type Sent<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, i64, Headers);
        let sent: Vec<Sent<'_>> = vec![
            (None, None, 5, Headers::default()),
            (Some(b""), Some(b""), 1_700_000_000_000, headers),
            (Some(b"k"), None, 7, Headers::default()),
            (None, Some(b"\0\xff"), 8, Headers::default()),
        ];
        for (key, value, timestamp, headers) in &sent {
            let record = Outgoing {
                topic: TopicId(0),
                partition: None,
                timestamp: *timestamp,
                key: *key,
                value: *value,
                headers,
            };
            producer.send(record).unwrap();
        }
        // Kafka has this time, librdkafka has not: the nearest that it has is taken.
        producer.send(Outgoing { timestamp: 0, ..record(0, None, Some(b"old")) }).unwrap();
        producer.commit(&[]).unwrap();

        let bell = Bell::default();
        let mut reader = broker.reader(assignment(&TopicPartition::new(topic, 0), Position::Beginning, &bell)).unwrap();
        let mut read = Vec::new();
        until("the records", || {
            reader
                .read(100, &mut |fetched| {
                    if let Fetched::Record(record) = fetched {
                        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                        read.push((owned(record.key), owned(record.value), record.timestamp, record.headers.clone()));
                    }
                    ControlFlow::Continue(())
                })
                .unwrap();
            (read.len() == sent.len() + 1).then_some(())
        });
        let old = read.pop().unwrap();
        assert!(old.1.as_deref() == Some(b"old") && [0, 1].contains(&old.2), "{old:?}");
        for ((key, value, timestamp, headers), read) in sent.into_iter().zip(read) {
            assert_eq!(read, (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec), timestamp, headers));
        }
        member.leave().unwrap();
    }
}

#[test]
fn a_full_queue_makes_the_writer_wait_and_drops_nothing() {
    let Some(address) = address() else { return };
    let mut settings = settings(&address, GroupProtocol::Classic);
    settings.producer_properties.insert("queue.buffering.max.messages".into(), "10".into());
    let broker = KafkaBroker::new(settings).unwrap();
    let topic = topic(&broker, 1);
    for id in [None, Some(unique("full"))] {
        let (member, mut producer) = writer(&broker, &topic, id.as_deref());
        (0..500).for_each(|n| send(&mut *producer, 0, &n.to_string()));
        producer.commit(&[]).unwrap();
        member.leave().unwrap();
    }
    let all = settled_contents(&broker, &topic);
    let expected = (0..1000).map(|n| got(n, &(n % 500).to_string())).chain([Got::End(1001)]);
    assert_eq!(all, expected.collect::<Vec<_>>());
}

#[test]
fn a_record_that_is_too_large_names_topic_size_and_property() {
    let Some(address) = address() else { return };
    let broker = broker(&address);
    let topic = topic(&broker, 1);
    let (_member, mut producer) = writer(&broker, &topic, None);
    let value = vec![0; 2_000_000];
    let error = producer.send(record(0, None, Some(&value))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Record);
    for word in [topic.as_str(), "2000000", "message.max.bytes"] {
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn a_record_that_the_broker_refuses_fails_the_commit() {
    let Some(address) = address() else { return };
    let mut settings = settings(&address, GroupProtocol::Classic);
    settings.producer_properties.insert("message.max.bytes".into(), "3000000".into());
    let broker = KafkaBroker::new(settings).unwrap();
    let topic = topic(&broker, 1);
    for id in [None, Some(unique("refused"))] {
        let (_member, mut producer) = writer(&broker, &topic, id.as_deref());
        let value: Vec<u8> = vec![1; 2_000_000];
        producer.send(record(0, None, Some(&value))).unwrap();
        let error = producer.commit(&[]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::EarlierRecord, "{error}");
        // librdkafka's numbers may have a gap by now, which one more abort closes.
        let goes_on = (0..5).any(|_| {
            producer.abort().unwrap();
            producer.send(record(0, None, Some(b"small"))).unwrap();
            match producer.commit(&[]) {
                Ok(()) => true,
                Err(error) if error.kind == ErrorKind::Abort => false,
                Err(error) => panic!("{error}"),
            }
        });
        assert!(goes_on, "others can be written");
        assert!(error.message.contains(&topic) && error.message.contains("max.message.bytes"), "{error}");
    }
}

#[test]
fn an_unknown_topic_is_named_and_not_created() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let known = topic(&*broker, 3);
        let missing = unique("missing");
        let mut member = broker.join(&[&known]).unwrap();
        let mut producer = member.producer(None, &[known.as_str().into(), missing.as_str().into()]).unwrap();
        assert_eq!(producer.partitions(TopicId(0)).unwrap(), 3);
        let unknown = [
            producer.partitions(TopicId(1)).unwrap_err(),
            producer.send(Outgoing { topic: TopicId(1), ..record(0, None, None) }).unwrap_err(),
            producer.topic(&unique("other")).unwrap_err(),
        ];
        for error in unknown {
            assert_eq!(error.kind, ErrorKind::Fatal);
            assert!(error.message.contains("ports-") && error.message.contains("does not exist"), "{error}");
        }
        let error = producer.send(record(7, None, None)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fatal);
        assert!(error.message.contains(&format!("{known}[7]")), "{error}");
        assert_eq!(producer.topic(&known).unwrap(), TopicId(0));
        assert_eq!(broker.describe(&[&missing]).unwrap(), [None]);
    }
}

#[test]
fn a_producer_outside_of_any_group_commits_records_alone() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let mut producer = broker.producer(&[topic.as_str().into()]).unwrap();
        send(&mut *producer, 0, "a");
        producer.commit(&[]).unwrap();
        assert_eq!(contents(&*broker, &topic), [got(0, "a"), Got::End(1)]);
        let error = producer.commit(&[(TopicPartition::new(topic.as_str(), 0), at(1, ""))]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fatal, "{error}");
        assert!(error.message.contains(&topic), "{error}");
    }
}
