use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use millstream::broker::{
    Assignment, BrokerError, Committed, GroupEvent, GroupMember, PartitionReader, Producer, TopicPartition,
};

use crate::broker::ClientSettings;
use crate::cluster::{MemberId, SharedCluster, Turn};
use crate::producer::{MemoryProducer, OfGroup, SharedIdentity};
use crate::reader::MemoryReader;

pub(crate) struct MemoryMember {
    cluster: Arc<SharedCluster>,
    settings: Arc<ClientSettings>,
    topics: Vec<Arc<str>>,
    id: MemberId,
    identity: SharedIdentity,
    /// What this member was told that it has, with the switches that close the readers.
    partitions: BTreeMap<TopicPartition, Arc<AtomicBool>>,
    /// Whether it was told that it lost its partitions and has not answered yet.
    losing: bool,
}

impl MemoryMember {
    pub(crate) fn join(cluster: Arc<SharedCluster>, settings: Arc<ClientSettings>, topics: &[&str]) -> Self {
        let topics = topics.iter().map(|topic| (*topic).into()).collect();
        let partitions = BTreeMap::new();
        let mut member =
            MemoryMember { cluster, settings, topics, id: 0, identity: Arc::default(), partitions, losing: false };
        member.rejoin();
        member
    }

    fn rejoin(&mut self) {
        let (settings, topics) = (&self.settings, &self.topics);
        self.id = self.cluster.change_group(|cluster| {
            let (id, now) = (cluster.next_id(), cluster.now);
            let (group, of) = cluster.group_and_topics(&settings.group_id);
            group.join((id, &settings.member_name), topics, settings.session_timeout_ms, now, of);
            id
        });
    }

    /// One look at the group, without waiting.
    fn turn(&mut self) -> Option<GroupEvent> {
        if self.losing {
            return None;
        }
        let id = self.id;
        let (turn, completed) = self.cluster.with(|cluster| {
            if cluster.is_away {
                return (Turn::Nothing, false);
            }
            let now = cluster.now;
            let (group, of) = cluster.group_and_topics(&self.settings.group_id);
            let before = group.generation();
            (group.poll(id, now, of), group.generation() != before)
        });
        if completed {
            self.cluster.notify_members();
        }
        match turn {
            Turn::Nothing => None,
            Turn::Event(event) => {
                if let GroupEvent::Assigned(partitions) = &event {
                    self.partitions.extend(partitions.iter().map(|partition| (partition.clone(), Arc::default())));
                }
                Some(event)
            }
            Turn::Evicted if self.partitions.is_empty() => {
                self.rejoin();
                None
            }
            Turn::Evicted => {
                self.losing = true;
                *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Some(GroupEvent::Lost(self.partitions.keys().cloned().collect()))
            }
        }
    }
}

impl GroupMember for MemoryMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<GroupEvent>, BrokerError> {
        let event = self.turn();
        if event.is_some() || timeout.is_zero() {
            return Ok(event);
        }
        self.cluster.wait_for_change(timeout);
        Ok(self.turn())
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.cluster.with(|cluster| {
            cluster.answers()?;
            cluster.group(&self.settings.group_id).committed(partitions)
        })
    }

    fn assign(&mut self, assignments: Vec<Assignment>) -> Result<Vec<Box<dyn PartitionReader>>, BrokerError> {
        let id = self.id;
        let answered = self.cluster.with(|cluster| cluster.group(&self.settings.group_id).answer_assigned(id));
        // One that was thrown out meanwhile is told so at its next poll.
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = answered.ok();
        let mut readers: Vec<Box<dyn PartitionReader>> = Vec::new();
        for assignment in assignments {
            let closed = self.partitions.get(&assignment.partition).cloned().unwrap_or_default();
            readers.push(Box::new(MemoryReader::open(self.cluster.clone(), assignment, Some(closed))?));
        }
        Ok(readers)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        for partition in partitions {
            if let Some(closed) = self.partitions.remove(partition) {
                closed.store(true, Ordering::Release);
            }
        }
        if std::mem::take(&mut self.losing) {
            self.rejoin();
            return Ok(());
        }
        let id = self.id;
        self.cluster.change_group(|cluster| {
            let (group, of) = cluster.group_and_topics(&self.settings.group_id);
            group.answer_revoked(id, of);
        });
        Ok(())
    }

    fn producer(
        &mut self,
        transactional_id: Option<&str>,
        topics: &[Arc<str>],
    ) -> Result<Box<dyn Producer>, BrokerError> {
        let timeout_ms = self.settings.transaction_timeout_ms;
        let begin = |id: &str| {
            self.cluster.with(|cluster| {
                cluster.answers_transactions()?;
                cluster.begin_producer(id, timeout_ms)
            })
        };
        let transactional = transactional_id.map(begin).transpose()?;
        let group = OfGroup { id: self.settings.group_id.clone(), identity: self.identity.clone() };
        Ok(Box::new(MemoryProducer::of_group(self.cluster.clone(), group, transactional, topics)))
    }

    fn leave(self: Box<Self>) -> Result<(), BrokerError> {
        self.partitions.values().for_each(|closed| closed.store(true, Ordering::Release));
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.cluster.change_group(|cluster| {
            let (group, of) = cluster.group_and_topics(&self.settings.group_id);
            group.leave(self.id, of);
        });
        Ok(())
    }
}
