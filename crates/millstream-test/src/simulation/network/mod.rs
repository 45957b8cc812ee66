//! What lies between a process and its broker: answers that are late or lost, records that are under way.

mod member;
mod producer;
mod reader;

use std::sync::Arc;

use millstream::broker::{
    Assignment, Broker, BrokerError, ErrorKind, GroupMember, NewTopic, PartitionReader, Producer, TopicDescription,
    TopicPartition,
};
use millstream::record::Timestamp;
use millstream_memory::MemoryBroker;

use self::member::NetworkMember;
use self::reader::NetworkReader;
use super::Fault;
use super::world::SharedWorld;

/// The way of one process to the cluster.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) cluster: MemoryBroker,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) world: SharedWorld,
    /// The process's name.
    pub(crate) process: Arc<str>,
    /// What the process's member is doing.
    pub(crate) membership: Membership,
}

/// What a member is doing, for who disturbs it.
pub(crate) type Membership = Arc<std::sync::Mutex<MemberPhase>>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MemberPhase {
    #[default]
    Stable,
    /// Was given partitions, and has not answered.
    Assigned,
    /// Is to give up partitions, and has not answered.
    Revoking,
}

impl Network {
    /// Now and then a request is not answered in time; or always, while the broker is away.
    fn ask(&self, what: &str) -> Result<(), BrokerError> {
        let mut world = self.world.get();
        if world.draw(|odds| odds.unanswered) {
            world.count(Fault::Unanswered, &format!("{} {what}", self.process));
            return Err(BrokerError::new(ErrorKind::Retry, format!("{what} was not answered in time")));
        }
        Ok(())
    }
}

impl Broker for Network {
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        self.ask("describe")?;
        self.broker.describe(topics)
    }

    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        self.ask("create")?;
        self.broker.create(topics)
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        self.ask("delete_records")?;
        self.broker.delete_records(before)?;
        let deleted = before.iter().any(|(_, offset)| *offset > 0);
        if deleted {
            self.world.get().count(Fault::Purged, &self.process);
        }
        Ok(())
    }

    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.ask("end_offsets")?;
        self.broker.end_offsets(partitions)
    }

    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: Timestamp) -> Result<Vec<Option<i64>>, BrokerError> {
        self.ask("offsets_at")?;
        self.broker.offsets_at(partitions, timestamp)
    }

    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError> {
        Ok(Box::new(NetworkMember::new(self.broker.join(topics)?, self.clone())))
    }

    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.ask("reader")?;
        let name = assignment.partition.to_string();
        Ok(Box::new(NetworkReader::new(self.broker.reader(assignment)?, self, &name, true)))
    }

    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        self.broker.producer(topics)
    }
}
