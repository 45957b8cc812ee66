use std::sync::Arc;

use millstream::broker::{
    Assignment, Broker, BrokerError, GroupMember, NewTopic, PartitionReader, Producer, TopicDescription, TopicPartition,
};
use millstream::record::Timestamp;

use crate::cluster::{Cluster, SharedCluster};
use crate::member::MemoryMember;
use crate::producer::MemoryProducer;
use crate::reader::MemoryReader;

/// A cluster in memory. A clone is another handle to the same cluster.
#[derive(Clone, Default)]
pub struct MemoryBroker {
    pub(crate) cluster: Arc<SharedCluster>,
}

/// What a client of the cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// The consumer group that it joins.
    pub group_id: String,
    /// What the group sorts its members by, those of one name by their joining.
    pub member_name: String,
    /// After how long without a poll a member is thrown out of its group, in ms.
    pub session_timeout_ms: i64,
    /// After how long an open transaction is aborted, and its producer fenced, in ms.
    pub transaction_timeout_ms: i64,
}

impl ClientSettings {
    /// Kafka's defaults: 45 s for a session, 60 s for a transaction. Members have no name.
    pub fn new(group_id: impl Into<String>) -> Self {
        ClientSettings {
            group_id: group_id.into(),
            member_name: String::new(),
            session_timeout_ms: 45_000,
            transaction_timeout_ms: 60_000,
        }
    }
}

impl MemoryBroker {
    /// An empty cluster, at time 0.
    pub fn new() -> Self {
        MemoryBroker::default()
    }

    /// A client: the ports, as the engine uses them.
    pub fn client(&self, settings: ClientSettings) -> Arc<dyn Broker> {
        Arc::new(Client { cluster: self.cluster.clone(), settings: Arc::new(settings) })
    }

    /// Lets time pass until `now` (ms since 1970; one before the last is ignored). Transactions that have been open for
    /// longer than their timeout are aborted, members that were silent for longer than theirs are thrown out, and now
    /// and then logs are cleaned.
    pub fn advance_to(&self, now: Timestamp) {
        self.cluster.change_group(|cluster| cluster.advance_to(now));
    }

    /// Refuses the next `commits` commits of transactions, as a broker does that asks for an abort.
    pub fn refuse_commits(&self, commits: u32) {
        self.refuse_commits_after(0, commits);
    }

    /// As [`MemoryBroker::refuse_commits`], once so many commits have gone through.
    pub fn refuse_commits_after(&self, passed: u32, commits: u32) {
        self.cluster.with(|cluster| (cluster.passed_commits, cluster.refused_commits) = (passed, commits));
    }

    /// How many commits are still to be refused.
    pub fn refused_commits(&self) -> u32 {
        self.cluster.with(|cluster| cluster.refused_commits)
    }

    /// Compacts and expires all logs at once, which `advance_to` does every 15 s.
    pub fn clean(&self) {
        self.cluster.with(Cluster::clean);
    }
}

struct Client {
    cluster: Arc<SharedCluster>,
    settings: Arc<ClientSettings>,
}

impl Broker for Client {
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        self.cluster.with(|cluster| {
            cluster.answers()?;
            Ok(topics.iter().map(|name| cluster.topics.describe(name)).collect())
        })
    }

    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        self.cluster.with(|cluster| {
            cluster.answers()?;
            topics.iter().try_for_each(|topic| cluster.topics.create(topic))
        })
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        self.cluster.with(|cluster| {
            cluster.answers()?;
            before.iter().try_for_each(|(partition, offset)| {
                cluster.topics.log(partition)?.delete_before(*offset);
                Ok(())
            })
        })
    }

    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        self.cluster.with(|cluster| {
            cluster.answers()?;
            partitions.iter().map(|p| Ok(cluster.topics.log(p)?.end())).collect()
        })
    }

    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: Timestamp) -> Result<Vec<Option<i64>>, BrokerError> {
        self.cluster.with(|cluster| {
            cluster.answers()?;
            partitions.iter().map(|p| Ok(cluster.topics.log(p)?.offset_at(timestamp))).collect()
        })
    }

    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError> {
        self.cluster.with(|cluster| cluster.answers())?;
        Ok(Box::new(MemoryMember::join(self.cluster.clone(), self.settings.clone(), topics)))
    }

    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        Ok(Box::new(MemoryReader::open(self.cluster.clone(), assignment, None)?))
    }

    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        Ok(Box::new(MemoryProducer::outside_of_groups(self.cluster.clone(), topics)))
    }
}
