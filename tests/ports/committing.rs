//! Commits: of results, of positions, and by whom.

use std::time::Duration;

use millstream::broker::{Broker, BrokerError, ErrorKind, GroupEvent, TopicPartition};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_tests::cluster::Cluster;

use crate::support::{
    Bell, Got, address, assigned, at, client, clusters, got, send, settings, settled_contents, topic, unique, until,
    writer,
};

#[test]
fn positions_come_back_with_their_texts() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 3);
        let mut member = broker.join(&[&topic]).unwrap();
        let _readers = assigned(&mut *member, &Bell::default());
        let all: Vec<_> = (0..3).map(|n| TopicPartition::new(topic.as_str(), n)).collect();
        assert_eq!(member.committed(&all).unwrap(), [None, None, None]);
        assert_eq!(member.committed(&[]).unwrap(), []);
        let transactional_id = unique("positions");
        for (offset, id) in [(5, Some(transactional_id.as_str())), (7, None)] {
            let mut producer = member.producer(id, &[topic.as_str().into()]).unwrap();
            let first = at(offset, "1700000000000 é");
            producer.commit(&[(all[2].clone(), first.clone()), (all[0].clone(), at(offset + 1, ""))]).unwrap();
            let expected = [Some(at(offset + 1, "")), None, Some(first)];
            assert_eq!(member.committed(&all).unwrap(), expected);
        }
        // A transaction that is aborted takes its positions back.
        let mut producer = member.producer(Some(&transactional_id), &[topic.as_str().into()]).unwrap();
        send(&mut *producer, 0, "x");
        producer.abort().unwrap();
        assert_eq!(member.committed(&all[..1]).unwrap(), [Some(at(8, ""))]);
        member.leave().unwrap();
    }
}

#[test]
fn a_second_producer_of_an_id_fences_the_first() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let id = unique("fence");
        let (mut member, mut first) = writer(&*broker, &topic, Some(&id));
        send(&mut *first, 0, "lost");
        let mut second = member.producer(Some(&id), &[topic.as_str().into()]).unwrap();
        send(&mut *second, 0, "kept");
        second.commit(&[]).unwrap();
        let error = first.commit(&[]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
        drop(first);
        let records: Vec<_> =
            settled_contents(&*broker, &topic).into_iter().filter(|got| matches!(got, Got::Record(..))).collect();
        assert!(matches!(&records[..], [Got::Record(_, text)] if text == "kept"), "{records:?}");
    }
}

#[test]
fn a_member_that_is_behind_its_group_cannot_commit() {
    // With the consumer protocol only what moves is taken away: a member has no new assignment to wait for.
    let eager = |cluster: &Cluster| !matches!(cluster, Cluster::Kafka { protocol: GroupProtocol::Consumer, .. });
    for cluster in clusters().into_iter().filter(eager) {
        for transactional in [true, false] {
            let broker = client(&cluster);
            let topic = topic(&*broker, 2);
            let mut zombie = broker.join(&[&topic]).unwrap();
            let id = unique("zombie");
            let id = transactional.then_some(id.as_str());
            let mut producer = zombie.producer(id, &[topic.as_str().into()]).unwrap();
            let readers = assigned(&mut *zombie, &Bell::default());
            assert_eq!(readers.len(), 2);
            let partition = TopicPartition::new(topic.as_str(), 0);
            producer.commit(&[(partition.clone(), at(1, ""))]).unwrap();

            // Another member takes over, while this one has given up its partitions and does not know the new ones.
            let other = std::thread::spawn({
                let (mut other, bell) = (broker.join(&[&topic]).unwrap(), Bell::default());
                move || {
                    let readers = assigned(&mut *other, &bell);
                    (other, readers)
                }
            });
            until("the revocation", || match zombie.poll(Duration::from_millis(100)).unwrap() {
                Some(GroupEvent::Revoked(partitions)) => {
                    zombie.unassign(&partitions).unwrap();
                    Some(())
                }
                _ => None,
            });
            let unanswered = until("the next assignment", || zombie.poll(Duration::from_millis(100)).unwrap());
            assert!(matches!(unanswered, GroupEvent::Assigned(_)));
            let (mut other, _) = other.join().unwrap();
            send(&mut *producer, 0, "not to be committed");
            let error = producer.commit(&[(partition.clone(), at(2, ""))]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Abort, "{error}");
            producer.abort().unwrap();
            assert_eq!(other.committed(std::slice::from_ref(&partition)).unwrap(), [Some(at(1, ""))]);
            if transactional {
                assert!(!settled_contents(&*broker, &topic).iter().any(|got| matches!(got, Got::Record(..))));
            }
            other.leave().unwrap();
            zombie.leave().unwrap();
            // After an abort as before it: it has left.
            let error = producer.commit(&[(partition, at(3, ""))]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Abort, "{error}");
        }
    }
}

#[test]
fn a_member_that_did_not_poll_in_time_cannot_commit_and_loses_its_partitions() {
    let Some(address) = address() else { return };
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let mut settings = settings(&address, protocol);
        if protocol == GroupProtocol::Classic {
            settings.consumer_properties.insert("session.timeout.ms".into(), "6000".into());
        }
        settings.consumer_properties.insert("max.poll.interval.ms".into(), "6000".into());
        let broker = KafkaBroker::new(settings).unwrap();
        let topic = topic(&broker, 1);
        let mut zombie = broker.join(&[&topic]).unwrap();
        let mut producer = zombie.producer(Some(&unique("slow")), &[topic.as_str().into()]).unwrap();
        let zombies = assigned(&mut *zombie, &Bell::default());
        assert_eq!(zombies.len(), 1);
        let partition = zombies[0].0.clone();
        producer.commit(&[(partition.clone(), at(1, ""))]).unwrap();

        // Not polled, it is thrown out, and another member is given the partition.
        let mut other = broker.join(&[&topic]).unwrap();
        let _readers = assigned(&mut *other, &Bell::default());
        send(&mut *producer, 0, "not to be seen");
        let error = producer.commit(&[(partition.clone(), at(2, ""))]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Abort, "{protocol:?}: {error}");
        producer.abort().unwrap();
        match until("the loss", || zombie.poll(Duration::from_millis(100)).transpose()) {
            // It may not know yet that what it is asked for is gone already: the commit has told.
            Ok(event) => {
                let gone = vec![partition.clone()];
                let told = [GroupEvent::Lost(gone.clone()), GroupEvent::Revoked(gone)];
                assert!(told.contains(&event), "{protocol:?}: {event:?}");
            }
            Err(error) => assert!(cannot_join_anew(protocol, &error), "{protocol:?}: {error}"),
        }
        zombie.unassign(std::slice::from_ref(&partition)).unwrap();

        let mut owner = other.producer(Some(&unique("owner")), &[topic.as_str().into()]).unwrap();
        send(&mut *owner, 0, "seen");
        owner.commit(&[(partition.clone(), at(9, ""))]).unwrap();
        assert_eq!(other.committed(std::slice::from_ref(&partition)).unwrap(), [Some(at(9, ""))]);
        let records = settled_contents(&broker, &topic);
        assert_eq!(records.iter().filter(|got| matches!(got, Got::Record(..))).count(), 1, "{records:?}");
        other.leave().unwrap();
        match protocol {
            GroupProtocol::Classic => {
                let again = assigned(&mut *zombie, &Bell::default());
                assert_eq!(again.len(), 1);
                producer.commit(&[(again[0].0.clone(), at(10, ""))]).unwrap();
            }
            GroupProtocol::Consumer => {
                match until("an event", || zombie.poll(Duration::from_millis(100)).transpose()) {
                    Ok(event) => assert_eq!(event, GroupEvent::Assigned(vec![partition])),
                    Err(error) => assert!(cannot_join_anew(protocol, &error), "{error}"),
                }
            }
        }
        zombie.leave().unwrap();
    }
}

/// librdkafka 2.12 cannot always join anew with the consumer protocol, and must then say so.
fn cannot_join_anew(protocol: GroupProtocol, error: &BrokerError) -> bool {
    protocol == GroupProtocol::Consumer
        && error.kind == ErrorKind::Fatal
        && error.message.contains("max.poll.interval.ms")
}

#[test]
fn without_a_transaction_what_was_sent_is_there_after_the_commit() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let (_member, mut producer) = writer(&*broker, &topic, None);
        send(&mut *producer, 0, "a");
        producer.abort().unwrap();
        send(&mut *producer, 0, "b");
        producer.commit(&[]).unwrap();
        assert_eq!(settled_contents(&*broker, &topic), [got(0, "a"), got(1, "b"), Got::End(2)]);
    }
}
