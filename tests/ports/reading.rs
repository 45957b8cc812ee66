//! Readers, in the group and outside of it.

use std::ops::ControlFlow;
use std::time::Duration;

use millstream::broker::{Broker, Fetched, GroupEvent, PartitionReader, Position, TopicPartition};
use millstream_kafka::{GroupProtocol, KafkaBroker};

use crate::support::{
    Bell, Got, address, assigned, assigned_from, assignment, client, clusters, contents, got, read_to_end, send,
    settings, settled_contents, short, topic, unique, until, write, writer,
};

#[test]
fn transactions_are_seen_when_they_are_committed_and_the_end_is_beyond_their_markers() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let (_member, mut producer) = writer(&*broker, &topic, Some(&unique("txn")));
        send(&mut *producer, 0, "a");
        producer.commit(&[]).unwrap();
        assert_eq!(settled_contents(&*broker, &topic), [got(0, "a"), Got::End(2)]);

        send(&mut *producer, 0, "b");
        // Must be on the broker, so that the abort leaves a marker.
        let partition = TopicPartition::new(topic.as_str(), 0);
        until("the open record", || {
            (broker.end_offsets(std::slice::from_ref(&partition)).unwrap() == [3]).then_some(())
        });
        assert_eq!(contents(&*broker, &topic), [got(0, "a"), Got::End(2)]);
        producer.abort().unwrap();
        send(&mut *producer, 0, "c");
        producer.commit(&[]).unwrap();
        assert_eq!(settled_contents(&*broker, &topic), [got(0, "a"), got(4, "c"), Got::End(6)]);
        // Nothing was begun: nothing to do.
        producer.commit(&[]).unwrap();
        producer.abort().unwrap();
        assert_eq!(broker.end_offsets(&[partition]).unwrap(), [6]);
    }
}

#[test]
fn a_reader_is_sought_and_reaches_the_end_again() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        write(&*broker, &topic, &["a", "b", "c"]);
        let mut member = broker.join(&[&topic]).unwrap();
        let (partition, mut reader) = assigned(&mut *member, &Bell::default()).pop().unwrap();
        assert_eq!(partition, TopicPartition::new(topic.as_str(), 0));
        // At once after the assignment.
        reader.seek(Position::Offset(1)).unwrap();
        assert_eq!(read_to_end(&mut *reader), [got(1, "b"), got(2, "c"), Got::End(3)]);
        reader.seek(Position::Beginning).unwrap();
        assert_eq!(read_to_end(&mut *reader), [got(0, "a"), got(1, "b"), got(2, "c"), Got::End(3)]);
        reader.seek(Position::End).unwrap();
        assert_eq!(read_to_end(&mut *reader), [Got::End(3)]);

        // What `take` does not want is thrown away, until the reader is sought.
        reader.seek(Position::Offset(0)).unwrap();
        let first = until("the first record", || {
            let mut first = None;
            let count = reader
                .read(10, &mut |fetched| {
                    first = Some(short(&fetched));
                    ControlFlow::Break(())
                })
                .unwrap();
            assert_eq!(count, usize::from(first.is_some()));
            first
        });
        assert_eq!(first, got(0, "a"));
        reader.seek(Position::Offset(0)).unwrap();
        assert_eq!(read_to_end(&mut *reader), [got(0, "a"), got(1, "b"), got(2, "c"), Got::End(3)]);
        member.leave().unwrap();
        // A reader that was taken away reads nothing, and says nothing.
        assert_eq!(reader.read(10, &mut |fetched| panic!("{fetched:?}")).unwrap(), 0);
        reader.seek(Position::Beginning).unwrap();
    }
}

#[test]
fn a_start_that_is_sought_away_from_is_not_come_back_to() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        write(&*broker, &topic, &["a", "b", "c"]);
        for from in [Position::Beginning, Position::End] {
            let mut member = broker.join(&[&topic]).unwrap();
            let (_, mut reader) = assigned_from(&mut *member, from, &Bell::default()).pop().unwrap();
            reader.seek(Position::Offset(1)).unwrap();
            assert_eq!(read_to_end(&mut *reader), [got(1, "b"), got(2, "c"), Got::End(3)], "{from:?}");
            // So much later librdkafka would look the start up again, and go there.
            std::thread::sleep(Duration::from_millis(800));
            assert_eq!(reader.read(10, &mut |fetched| panic!("{from:?}: {fetched:?}")).unwrap(), 0);
            member.leave().unwrap();
        }
    }
}

#[test]
fn a_reader_that_stays_at_the_end_keeps_its_place_when_others_come_and_go() {
    let Some(address) = address() else { return };
    let broker = KafkaBroker::new(settings(&address, GroupProtocol::Consumer)).unwrap();
    let topic = topic(&broker, 2);
    let mut producer = broker.producer(&[topic.as_str().into()]).unwrap();
    for partition in [0, 1] {
        ["a", "b", "c"].iter().for_each(|text| send(&mut *producer, partition, text));
    }
    producer.commit(&[]).unwrap();
    let mut member = broker.join(&[&topic]).unwrap();
    let mut readers = assigned(&mut *member, &Bell::default());
    for (_, reader) in &mut readers {
        read_to_end(&mut **reader);
    }
    let other = std::thread::spawn({
        let mut other = broker.join(&[&topic]).unwrap();
        move || {
            let readers = assigned(&mut *other, &Bell::default());
            assert_eq!(readers.len(), 1);
            other.leave().unwrap();
        }
    });
    let revoked = until("the revocation", || member.poll(Duration::from_millis(100)).unwrap());
    let GroupEvent::Revoked(revoked) = revoked else { panic!("{revoked:?}") };
    member.unassign(&revoked).unwrap();
    readers.retain(|(partition, _)| !revoked.contains(partition));
    let (stays, mut reader) = readers.pop().unwrap();
    let again = assigned(&mut *member, &Bell::default());
    assert_eq!(again.len(), 1);
    other.join().unwrap();
    // Not read for so long: what was fetched by mistake is there.
    std::thread::sleep(Duration::from_millis(800));
    send(&mut *producer, stays.partition, "d");
    producer.commit(&[]).unwrap();
    let next = read_to_end(&mut *reader);
    // The end may be announced a second time before the record is there.
    let next = if next == [Got::End(3)] { read_to_end(&mut *reader) } else { next };
    assert_eq!(next, [got(3, "d"), Got::End(4)]);
    member.leave().unwrap();
}

#[test]
fn a_panic_of_the_taker_leaves_the_reader_usable() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        write(&*broker, &topic, &["a", "b", "c"]);
        let partition = TopicPartition::new(topic.as_str(), 0);
        let mut reader = broker.reader(assignment(&partition, Position::Beginning, &Bell::default())).unwrap();
        until("a panic", || {
            let read =
                std::panic::AssertUnwindSafe(|| reader.read(10, &mut |_| std::panic::resume_unwind(Box::new(()))));
            std::panic::catch_unwind(read).err()
        });
        // The record that it panicked on was handed over; those behind it were not.
        assert_eq!(read_to_end(&mut *reader), [got(1, "b"), got(2, "c"), Got::End(3)]);
        reader.seek(Position::Beginning).unwrap();
        assert_eq!(read_to_end(&mut *reader), [got(0, "a"), got(1, "b"), got(2, "c"), Got::End(3)]);
    }
}

#[test]
fn a_reader_that_was_sought_or_made_anew_is_woken() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        write(&*broker, &topic, &["a", "b", "c"]);
        let partition = TopicPartition::new(topic.as_str(), 0);
        let fetched = || std::thread::sleep(Duration::from_millis(300));
        for round in 0..3 {
            let bell = Bell::default();
            let mut reader = broker.reader(assignment(&partition, Position::Beginning, &bell)).unwrap();
            // Fetched, not read, and void by the seek.
            fetched();
            let seen = bell.count();
            reader.seek(Position::Offset(1)).unwrap();
            bell.wait(seen);
            for expected in [got(1, "b"), got(2, "c"), Got::End(3)] {
                assert_eq!(next(&mut *reader, &bell), expected, "round {round}");
            }
            // What the next reader finds in the queue is void, too.
            reader.seek(Position::Beginning).unwrap();
            fetched();
        }
    }
}

/// Reads one item. No sleep and no second look: what is not announced by the bell is not read.
fn next(reader: &mut dyn PartitionReader, bell: &Bell) -> Got {
    loop {
        let seen = bell.count();
        let mut first = None;
        let mut take = |fetched: Fetched<'_>| {
            first = Some(short(&fetched));
            ControlFlow::Continue(())
        };
        reader.read(1, &mut take).unwrap();
        match first {
            Some(first) => return first,
            None => bell.wait(seen),
        }
    }
}

#[test]
fn a_reader_that_waits_is_woken_every_time() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 1);
        let bell = Bell::default();
        let partition = TopicPartition::new(topic.as_str(), 0);
        let mut reader = broker.reader(assignment(&partition, Position::Beginning, &bell)).unwrap();
        let (_member, mut producer) = writer(&*broker, &topic, None);
        assert_eq!(next(&mut *reader, &bell), Got::End(0));
        for round in 0..200 {
            send(&mut *producer, 0, &round.to_string());
            producer.commit(&[]).unwrap();
            assert_eq!(next(&mut *reader, &bell), got(round, &round.to_string()));
            assert_eq!(next(&mut *reader, &bell), Got::End(round + 1));
        }
    }
}

#[test]
fn a_partition_may_have_several_readers_outside_of_the_group() {
    for cluster in clusters() {
        let broker = client(&cluster);
        let topic = topic(&*broker, 2);
        write(&*broker, &topic, &["a", "b"]);
        let partition = TopicPartition::new(topic.as_str(), 0);
        let bell = Bell::default();
        let open =
            |partition: &TopicPartition| broker.reader(assignment(partition, Position::Beginning, &bell)).unwrap();
        for _ in 0..20 {
            let mut readers = [open(&partition), open(&partition)];
            let mut other = open(&TopicPartition::new(topic.as_str(), 1));
            for reader in &mut readers {
                assert_eq!(read_to_end(&mut **reader), [got(0, "a"), got(1, "b"), Got::End(2)]);
            }
            assert_eq!(read_to_end(&mut *other), [Got::End(0)]);
            let [mut first, second] = readers;
            drop(second);
            first.seek(Position::Offset(1)).unwrap();
            assert_eq!(read_to_end(&mut *first), [got(1, "b"), Got::End(2)]);
        }
    }
}
