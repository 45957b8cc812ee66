//! A member whose heartbeats are answered too late: what the answers said must not be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{
    Assignment, Broker, CleanupPolicy, GroupEvent, GroupMember, NewTopic, PartitionReader, Position, TopicPartition,
};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_local_kafka::{BROKERS, LocalCluster};
use millstream_tests::cluster::settings;
use millstream_tests::proxy::{Faults, Proxy};

use crate::turn;

const TOPIC: &str = "shared";
const TURN: Duration = Duration::from_millis(20);

/// A member, and what it reads.
struct Reading {
    member: Box<dyn GroupMember>,
    readers: BTreeMap<TopicPartition, Box<dyn PartitionReader>>,
}

impl Reading {
    fn join(broker: &dyn Broker) -> Reading {
        Reading { member: broker.join(&[TOPIC]).unwrap(), readers: BTreeMap::new() }
    }

    fn partitions(&self) -> BTreeSet<i32> {
        self.readers.keys().map(|partition| partition.partition).collect()
    }

    /// Answers what comes; what is revoked is handed out instead, if that is wished.
    fn turn(&mut self, hands_out: bool) -> Option<Vec<TopicPartition>> {
        match self.member.poll(TURN).unwrap() {
            Some(GroupEvent::Assigned(partitions)) => {
                let start = |partition: &TopicPartition| Assignment {
                    partition: partition.clone(),
                    from: Position::Beginning,
                    waker: Arc::new(|| ()),
                };
                let readers = self.member.assign(partitions.iter().map(start).collect()).unwrap();
                self.readers.extend(partitions.into_iter().zip(readers));
            }
            Some(GroupEvent::Revoked(partitions)) if hands_out => return Some(partitions),
            Some(GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions)) => self.give_up(&partitions),
            None => {}
        }
        None
    }

    fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.readers.retain(|partition, _| !partitions.contains(partition));
        self.member.unassign(partitions).unwrap();
    }
}

fn pass(members: &mut [&mut Reading], time: Duration) {
    let since = Instant::now();
    while since.elapsed() < time {
        for member in &mut *members {
            member.turn(false);
        }
    }
}

/// Lets the members have their turns until each reads so many partitions.
fn until_each_reads(members: &mut [&mut Reading], count: usize) {
    let since = Instant::now();
    while members.iter().any(|member| member.readers.len() != count) {
        let read: Vec<BTreeSet<i32>> = members.iter().map(|member| member.partitions()).collect();
        assert!(since.elapsed() < Duration::from_secs(60), "each was to read {count}, but they read {read:?}");
        pass(members, Duration::from_millis(100));
    }
}

#[test]
fn partitions_that_a_late_answer_told_of_are_read_all_the_same() {
    let Some(_turn) = turn() else { return };
    let proxies: Vec<Proxy> = (0..BROKERS).map(|index| Proxy::start(index as u64).unwrap()).collect();
    let cluster = LocalCluster::start(Some(std::array::from_fn(|index| proxies[index].port()))).unwrap();
    for (proxy, port) in proxies.iter().zip(cluster.client_ports()) {
        proxy.lead_to(port);
    }
    let client = |servers: &str| KafkaBroker::new(settings(servers, GroupProtocol::Consumer, "missed")).unwrap();
    let (direct, delayed) = (client(&cluster.direct_servers()), client(&cluster.bootstrap_servers()));
    direct.wait_until_up(Duration::from_secs(30), &mut |_| ()).unwrap();
    let (cleanup_policy, config) = (CleanupPolicy::Delete, BTreeMap::new());
    let topic = NewTopic { name: TOPIC.into(), partitions: 6, replication_factor: None, cleanup_policy, config };
    direct.create(&[topic]).unwrap();

    let (mut leaver, mut holder) = (Reading::join(&direct), Reading::join(&direct));
    // Sorted by their ids, which are random, members get neighbouring partitions. The one that will be late is to be at an end
    // of them, and the one at the other end leaves: then it gets one of those that the middle one has.
    let mut late = loop {
        let mut late = Reading::join(&delayed);
        until_each_reads(&mut [&mut leaver, &mut holder, &mut late], 2);
        if !late.readers.keys().any(|partition| [2, 3].contains(&partition.partition)) {
            break late;
        }
        late.member.leave().unwrap();
    };
    if leaver.partitions() == BTreeSet::from([2, 3]) {
        std::mem::swap(&mut leaver, &mut holder);
    }
    leaver.readers.clear();
    leaver.member.leave().unwrap();
    let revoked = loop {
        late.turn(false);
        if let Some(revoked) = holder.turn(true) {
            break revoked;
        }
    };
    // By now it knows of the change, and waits for what is not given up yet.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) {
        holder.member.poll(TURN).unwrap();
        late.turn(false);
    }
    assert_eq!((revoked.len(), late.readers.len()), (1, 2));

    // What it waits for comes with an answer that is later than it waits for answers, which is up to 1.5 s here.
    let slow = Faults { latency: Duration::from_millis(800), ..Faults::default() };
    proxies.iter().for_each(|proxy| proxy.set(slow));
    holder.give_up(&revoked);
    pass(&mut [&mut holder, &mut late], Duration::from_secs(5));
    assert_eq!(late.readers.len(), 2, "the answer was not late");
    proxies.iter().for_each(|proxy| proxy.set(Faults::default()));

    until_each_reads(&mut [&mut holder, &mut late], 3);
    assert!(holder.partitions().is_disjoint(&late.partitions()));
}
