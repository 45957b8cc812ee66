//! A group whose members come and go: nothing is lost, doubled or out of order.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millstream::broker::{
    Assignment, Broker, ErrorKind, Fetched, GroupEvent, GroupMember, PartitionReader, Position, Producer,
    TopicPartition,
};
use millstream_tests::cluster::Cluster;

use crate::support::{Bell, Readers, at, client, clusters, send, topic, unique, until, writer};

const PARTITIONS: i32 = 4;

/// An answer comes so much later than its event.
const DELAY: Duration = Duration::from_millis(300);

/// What was processed, by whichever member, in order: (partition, offset, value).
type Processed = Arc<Mutex<Vec<(i32, i64, u32)>>>;

/// What a member's worker is told.
enum Order {
    Read(Readers),
    /// Let these go, and tell where they stand.
    LetGo(Vec<TopicPartition>, Sender<Vec<(TopicPartition, i64)>>),
}

/// The thread that owns the readers.
fn work(orders: &Receiver<Order>, bell: &Bell, processed: &Processed) {
    let mut readers: HashMap<TopicPartition, (Box<dyn PartitionReader>, Option<i64>)> = HashMap::new();
    loop {
        match orders.try_recv() {
            Ok(Order::Read(new)) => readers.extend(new.into_iter().map(|(p, reader)| (p, (reader, None)))),
            Ok(Order::LetGo(partitions, tell)) => {
                let gone = partitions.into_iter().filter_map(|p| readers.remove_entry(&p));
                tell.send(gone.filter_map(|(p, (_, next))| Some((p, next?))).collect()).unwrap();
            }
            Err(std::sync::mpsc::TryRecvError::Empty) => {}
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
        }
        let mut idle = true;
        for (partition, (reader, next)) in &mut readers {
            let count = reader
                .read(50, &mut |fetched| {
                    if let Fetched::Record(record) = fetched {
                        let value = std::str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
                        processed.lock().unwrap().push((partition.partition, record.offset, value));
                        *next = Some(record.offset + 1);
                    }
                    ControlFlow::Continue(())
                })
                .unwrap();
            idle &= count == 0;
        }
        if idle {
            bell.pause(Duration::from_millis(20));
        }
    }
}

/// A member with its worker.
struct Instance {
    stop: Arc<AtomicBool>,
    owned: Arc<Mutex<Vec<TopicPartition>>>,
    threads: [JoinHandle<()>; 2],
}

impl Instance {
    fn start(broker: &dyn Broker, topic: &str, transactional: bool, processed: &Processed) -> Self {
        let (bell, stop, owned) = (Bell::default(), Arc::new(AtomicBool::new(false)), Arc::default());
        let (order, orders) = channel();
        let worker = std::thread::spawn({
            let (bell, processed) = (bell.clone(), processed.clone());
            move || work(&orders, &bell, &processed)
        });
        let mut member = broker.join(&[topic]).unwrap();
        let id = unique("instance");
        let producer = member.producer(transactional.then_some(id.as_str()), &[topic.into()]).unwrap();
        let group = std::thread::spawn({
            let (stop, owned) = (stop.clone(), Arc::clone(&owned));
            move || group_thread(member, producer, &bell, &order, &stop, &owned)
        });
        Instance { stop, owned, threads: [group, worker] }
    }

    fn owns(&self) -> usize {
        self.owned.lock().unwrap().len()
    }

    fn leave(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn group_thread(
    mut member: Box<dyn GroupMember>,
    mut producer: Box<dyn Producer>,
    bell: &Bell,
    order: &Sender<Order>,
    stop: &AtomicBool,
    owned: &Mutex<Vec<TopicPartition>>,
) {
    let mut give_up = |partitions: Vec<TopicPartition>| {
        let (tell, told) = channel();
        order.send(Order::LetGo(partitions, tell)).unwrap();
        let offsets: Vec<_> = told.recv().unwrap().into_iter().map(|(p, offset)| (p, at(offset, ""))).collect();
        producer.commit(&offsets).unwrap();
    };
    while !stop.load(Ordering::SeqCst) {
        let Some(event) = member.poll(Duration::from_millis(20)).unwrap() else { continue };
        // Polled on while the answer is being prepared; no second event comes before it.
        let since = Instant::now();
        while since.elapsed() < DELAY {
            assert_eq!(member.poll(Duration::from_millis(20)).unwrap(), None);
        }
        match event {
            GroupEvent::Assigned(partitions) => {
                assert!(!partitions.is_empty());
                let committed = until("the positions", || match member.committed(&partitions) {
                    Err(error) if error.kind == ErrorKind::Retry => None,
                    committed => Some(committed.unwrap()),
                });
                let assignments = partitions.iter().zip(committed).map(|(partition, committed)| Assignment {
                    partition: partition.clone(),
                    from: committed.map_or(Position::Beginning, |committed| Position::Offset(committed.offset)),
                    waker: bell.waker(),
                });
                let readers = member.assign(assignments.collect()).unwrap();
                owned.lock().unwrap().extend(partitions.iter().cloned());
                order.send(Order::Read(partitions.into_iter().zip(readers).collect())).unwrap();
            }
            GroupEvent::Revoked(partitions) => {
                owned.lock().unwrap().retain(|partition| !partitions.contains(partition));
                give_up(partitions.clone());
                member.unassign(&partitions).unwrap();
            }
            GroupEvent::Lost(partitions) => panic!("lost {partitions:?}"),
        }
    }
    give_up(owned.lock().unwrap().clone());
    member.leave().unwrap();
}

fn members_come_and_go(cluster: &Cluster, transactional: bool) {
    let broker = client(cluster);
    let topic = topic(&*broker, PARTITIONS);
    let other_group = client(cluster);
    let (writing, mut producer) = writer(&*other_group, &topic, None);
    let processed = Processed::default();
    let mut written = 0;
    let mut write = |count: u32| {
        for n in written..written + count {
            for partition in 0..PARTITIONS {
                send(&mut *producer, partition, &n.to_string());
            }
            producer.commit(&[]).unwrap();
        }
        written += count;
        written
    };
    let all = PARTITIONS as usize;
    let read = |written: u32| {
        until("all records", || {
            std::thread::sleep(Duration::from_millis(20));
            (processed.lock().unwrap().len() >= written as usize * all).then_some(())
        });
    };
    let owned = |instances: &[&Instance], each: &[usize]| {
        until("a new assignment", || {
            std::thread::sleep(Duration::from_millis(20));
            instances.iter().map(|instance| instance.owns()).eq(each.iter().copied()).then_some(())
        });
    };

    let first = Instance::start(&*broker, &topic, transactional, &processed);
    owned(&[&first], &[all]);
    read(write(50));
    for round in 0..3 {
        // Once the first stands at the end of everything, and once in the midst of it.
        let second = Instance::start(&*broker, &topic, transactional, &processed);
        if round > 0 {
            write(300);
        }
        owned(&[&first, &second], &[all / 2, all / 2]);
        read(write(1));
        write(100);
        second.leave();
        owned(&[&first], &[all]);
        read(write(1));
    }
    first.leave();
    let written = write(0);
    writing.leave().unwrap();

    let processed = processed.lock().unwrap();
    for partition in 0..PARTITIONS {
        let of_partition = processed.iter().filter(|(p, _, _)| *p == partition);
        let values: Vec<u32> = of_partition.map(|(_, _, value)| *value).collect();
        let wrong: Vec<_> = values.windows(2).filter(|pair| pair[0] + 1 != pair[1]).collect();
        let (first, last) = (values.first().copied(), values.last().copied());
        assert!(wrong.is_empty(), "partition {partition}: {wrong:?}, {first:?} to {last:?} of {written}");
        assert_eq!((first, last), (Some(0), Some(written - 1)), "partition {partition}");
    }
}

#[test]
fn members_come_and_go_in_transactions() {
    clusters().iter().for_each(|cluster| members_come_and_go(cluster, true));
}

#[test]
fn members_come_and_go_without_transactions() {
    clusters().iter().for_each(|cluster| members_come_and_go(cluster, false));
}
