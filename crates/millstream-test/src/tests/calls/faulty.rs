use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{
    Assignment, Broker, BrokerError, Committed, ErrorKind, GroupEvent, GroupMember, NewTopic, Outgoing,
    PartitionReader, Producer, TopicDescription, TopicId, TopicPartition,
};

/// A broker whose producers ask for an abort at each so-manieth record or commit.
pub(super) struct Faulty(pub(super) Arc<dyn Broker>, pub(super) u32);

struct FaultyMember(Box<dyn GroupMember>, u32);

struct FaultyProducer {
    producer: Box<dyn Producer>,
    every: u32,
    done: u32,
}

impl Broker for Faulty {
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        self.0.describe(topics)
    }

    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        self.0.create(topics)
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        self.0.delete_records(before)
    }

    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.0.end_offsets(partitions)
    }

    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: i64) -> Result<Vec<Option<i64>>, BrokerError> {
        self.0.offsets_at(partitions, timestamp)
    }

    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError> {
        Ok(Box::new(FaultyMember(self.0.join(topics)?, self.1)))
    }

    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        self.0.reader(assignment)
    }

    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        self.0.producer(topics)
    }
}

impl GroupMember for FaultyMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<GroupEvent>, BrokerError> {
        self.0.poll(timeout)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        self.0.committed(partitions)
    }

    fn assign(&mut self, assignments: Vec<Assignment>) -> Result<Vec<Box<dyn PartitionReader>>, BrokerError> {
        self.0.assign(assignments)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        self.0.unassign(partitions)
    }

    fn producer(&mut self, id: Option<&str>, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        Ok(Box::new(FaultyProducer { producer: self.0.producer(id, topics)?, every: self.1, done: 0 }))
    }

    fn leave(self: Box<Self>) -> Result<(), BrokerError> {
        self.0.leave()
    }
}

impl FaultyProducer {
    fn count(&mut self) -> Result<(), BrokerError> {
        self.done += 1;
        match self.done.is_multiple_of(self.every) {
            true => Err(BrokerError::new(ErrorKind::Abort, "refused")),
            false => Ok(()),
        }
    }
}

impl Producer for FaultyProducer {
    fn topic(&mut self, name: &str) -> Result<TopicId, BrokerError> {
        self.producer.topic(name)
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, BrokerError> {
        self.producer.partitions(topic)
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        self.count()?;
        self.producer.send(record)
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        self.count()?;
        self.producer.commit(offsets)
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        self.producer.abort()
    }
}
