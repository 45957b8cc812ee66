//! A broker that breaks exactly once, to see that the checks notice: positions are committed outside of the transaction, before
//! it.

use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{
    Assignment, Broker, BrokerError, Committed, GroupEvent, GroupMember, NewTopic, Outgoing, PartitionReader, Producer,
    TopicDescription, TopicId, TopicPartition,
};

/// Commits positions outside of the transaction, and the transaction only after a while.
pub struct OffsetsOutside {
    /// The real broker.
    pub broker: Arc<dyn Broker>,
    /// How long the transaction is held back after the positions: time for a kill.
    pub pause: Duration,
}

impl Broker for OffsetsOutside {
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        self.broker.describe(topics)
    }

    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        self.broker.create(topics)
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        self.broker.delete_records(before)
    }

    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.broker.end_offsets(partitions)
    }

    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: i64) -> Result<Vec<Option<i64>>, BrokerError> {
        self.broker.offsets_at(partitions, timestamp)
    }

    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError> {
        Ok(Box::new(Member { member: self.broker.join(topics)?, pause: self.pause }))
    }

    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.broker.reader(assignment)
    }

    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        self.broker.producer(topics)
    }
}

struct Member {
    member: Box<dyn GroupMember>,
    pause: Duration,
}

impl GroupMember for Member {
    fn poll(&mut self, timeout: Duration) -> Result<Option<GroupEvent>, BrokerError> {
        self.member.poll(timeout)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.member.committed(partitions)
    }

    fn assign(&mut self, assignments: Vec<Assignment>) -> Result<Vec<Box<dyn PartitionReader>>, BrokerError> {
        self.member.assign(assignments)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        self.member.unassign(partitions)
    }

    fn producer(
        &mut self,
        transactional_id: Option<&str>,
        topics: &[Arc<str>],
    ) -> Result<Box<dyn Producer>, BrokerError> {
        let records = self.member.producer(transactional_id, topics)?;
        let positions = self.member.producer(None, topics)?;
        Ok(Box::new(Split { records, positions, pause: self.pause }))
    }

    fn leave(self: Box<Self>) -> Result<(), BrokerError> {
        self.member.leave()
    }
}

struct Split {
    records: Box<dyn Producer>,
    positions: Box<dyn Producer>,
    pause: Duration,
}

impl Producer for Split {
    fn topic(&mut self, name: &str) -> Result<TopicId, BrokerError> {
        self.records.topic(name)
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, BrokerError> {
        self.records.partitions(topic)
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        self.records.send(record)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        self.positions.commit(offsets)?;
        std::thread::sleep(self.pause);
        self.records.commit(&[])
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        self.records.abort()
    }
}
