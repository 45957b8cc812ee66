//! The group sorts its members by their names, whoever joined first.

use std::time::Duration;

use millstream::broker::{Assignment, GroupEvent, GroupMember, Position, TopicPartition};
use millstream_kafka::GroupProtocol;
use millstream_tests::cluster::Cluster;

use crate::support::{Bell, clusters, topic, unique, until};

struct Named {
    member: Box<dyn GroupMember>,
    owned: Vec<i32>,
}

impl Named {
    fn turn(&mut self) {
        let numbers = |partitions: &[TopicPartition]| partitions.iter().map(|p| p.partition).collect::<Vec<_>>();
        match self.member.poll(Duration::from_millis(20)).unwrap() {
            Some(GroupEvent::Assigned(partitions)) => {
                self.owned.extend(numbers(&partitions));
                self.owned.sort_unstable();
                let assignments = partitions.into_iter().map(|partition| Assignment {
                    partition,
                    from: Position::Beginning,
                    waker: Bell::default().waker(),
                });
                drop(self.member.assign(assignments.collect()).unwrap());
            }
            Some(GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions)) => {
                let gone = numbers(&partitions);
                self.owned.retain(|partition| !gone.contains(partition));
                self.member.unassign(&partitions).unwrap();
            }
            None => {}
        }
    }
}

#[test]
fn members_are_sorted_by_their_names() {
    for cluster in clusters() {
        // With the consumer protocol only static members are sorted by their names.
        let is_static = matches!(cluster, Cluster::Kafka { protocol: GroupProtocol::Consumer, .. });
        let group = unique("group");
        let topic = topic(&*cluster.client(&group).unwrap(), 4);
        let join = |name: &str| {
            let broker = cluster.member(&group, name, is_static).unwrap();
            Named { member: broker.join(&[&topic]).unwrap(), owned: Vec::new() }
        };
        let mut second = join("b");
        until("all of it", || {
            second.turn();
            (second.owned.len() == 4).then_some(())
        });
        let mut first = join("a");
        until("a half each", || {
            first.turn();
            second.turn();
            (first.owned.len() == 2 && second.owned.len() == 2).then_some(())
        });
        assert_eq!((first.owned, second.owned), (vec![0, 1], vec![2, 3]));
    }
}
