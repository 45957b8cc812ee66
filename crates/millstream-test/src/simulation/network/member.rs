use std::sync::{Arc, PoisonError};
use std::time::Duration;

use millstream::broker::{
    Assignment, BrokerError, Committed, ErrorKind, GroupEvent, GroupMember, PartitionReader, Producer, TopicPartition,
};

use super::producer::NetworkProducer;
use super::reader::NetworkReader;
use super::{MemberPhase, Network};
use crate::simulation::Fault;

/// A member whose requests may not be answered in time.
pub(super) struct NetworkMember {
    member: Box<dyn GroupMember>,
    network: Network,
}

impl NetworkMember {
    pub(super) fn new(member: Box<dyn GroupMember>, network: Network) -> Self {
        NetworkMember { member, network }
    }

    fn is_now(&self, phase: MemberPhase) {
        *self.network.membership.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn note(&self, event: impl FnOnce() -> String) {
        self.network.world.get().note(|| format!("{} {}", self.network.process, event()));
    }
}

impl GroupMember for NetworkMember {
    /// Never waits: time is the simulation's.
    fn poll(&mut self, _: Duration) -> Result<Option<GroupEvent>, BrokerError> {
        let event = self.member.poll(Duration::ZERO)?;
        if let Some(event) = &event {
            self.note(|| match event {
                GroupEvent::Assigned(partitions) => format!("is given {}", names(partitions)),
                GroupEvent::Revoked(partitions) => format!("is to give up {}", names(partitions)),
                GroupEvent::Lost(partitions) => format!("has lost {}", names(partitions)),
            });
            self.is_now(match event {
                GroupEvent::Assigned(_) => MemberPhase::Assigned,
                GroupEvent::Revoked(_) | GroupEvent::Lost(_) => MemberPhase::Revoking,
            });
        }
        Ok(event)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.network.ask("committed")?;
        let committed = self.member.committed(partitions);
        if let Err(error) = &committed
            && error.kind == ErrorKind::Retry
            && self.network.cluster.held_markers() > 0
        {
            self.network.world.get().count(Fault::PendingPositions, &self.network.process);
        }
        committed
    }

    fn assign(&mut self, assignments: Vec<Assignment>) -> Result<Vec<Box<dyn PartitionReader>>, BrokerError> {
        self.network.ask("assign")?;
        self.note(|| {
            let positions = assignments.iter().map(|a| format!(" {} from {:?}", a.partition, a.from));
            format!("assigns{}", positions.collect::<String>())
        });
        let names: Vec<String> = assignments.iter().map(|assignment| assignment.partition.to_string()).collect();
        let readers = self.member.assign(assignments)?;
        self.is_now(MemberPhase::Stable);
        let wrap = |(reader, name): (_, String)| {
            Box::new(NetworkReader::new(reader, &self.network, &name, false)) as Box<dyn PartitionReader>
        };
        Ok(readers.into_iter().zip(names).map(wrap).collect())
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        self.note(|| "unassigns".to_owned());
        self.is_now(MemberPhase::Stable);
        self.member.unassign(partitions)
    }

    fn producer(
        &mut self,
        transactional_id: Option<&str>,
        topics: &[Arc<str>],
    ) -> Result<Box<dyn Producer>, BrokerError> {
        self.network.ask("init_transactions")?;
        let producer = match self.member.producer(transactional_id, topics) {
            Err(error) if error.kind == ErrorKind::Retry => {
                if self.network.cluster.held_markers() > 0 {
                    self.network.world.get().count(Fault::WaitingProducer, &self.network.process);
                }
                return Err(error);
            }
            producer => producer?,
        };
        self.note(|| format!("has a producer, {transactional_id:?}"));
        Ok(Box::new(NetworkProducer::new(producer, self.network.clone(), transactional_id.is_some(), topics)))
    }

    fn leave(self: Box<Self>) -> Result<(), BrokerError> {
        self.note(|| "leaves".to_owned());
        self.member.leave()
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
