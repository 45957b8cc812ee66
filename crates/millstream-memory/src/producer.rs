use std::sync::{Arc, Mutex, PoisonError};

use millstream::broker::{
    BrokerError, CleanupPolicy, Committed, ErrorKind, Outgoing, Producer, TopicId, TopicPartition,
};

use crate::cluster::{Identity, ProducerIdentity, SharedCluster, StoredRecord, TopicIndex};

/// What a member's commits show, known to its producers: `None` while it has no assignment.
pub(crate) type SharedIdentity = Arc<Mutex<Option<Identity>>>;

/// The group that a producer commits positions of.
pub(crate) struct OfGroup {
    pub(crate) id: String,
    pub(crate) identity: SharedIdentity,
}

pub(crate) struct MemoryProducer {
    cluster: Arc<SharedCluster>,
    /// `None` without transactions.
    transactional: Option<ProducerIdentity>,
    group: Option<OfGroup>,
    topics: Vec<Known>,
    /// Counts records that may go to any partition, to spread them.
    spread: i32,
}

/// A topic that the producer was told of; looked up when it is first used, as it may be created later.
struct Known {
    name: Arc<str>,
    found: Option<Found>,
}

#[derive(Clone, Copy)]
struct Found {
    index: TopicIndex,
    partitions: i32,
}

impl MemoryProducer {
    pub(crate) fn outside_of_groups(cluster: Arc<SharedCluster>, topics: &[Arc<str>]) -> Self {
        MemoryProducer { cluster, transactional: None, group: None, topics: known(topics), spread: 0 }
    }

    pub(crate) fn of_group(
        cluster: Arc<SharedCluster>,
        group: OfGroup,
        transactional: Option<ProducerIdentity>,
        topics: &[Arc<str>],
    ) -> Self {
        MemoryProducer { cluster, transactional, group: Some(group), topics: known(topics), spread: 0 }
    }

    fn find(&mut self, topic: TopicId) -> Result<Found, BrokerError> {
        let known = &mut self.topics[topic.0 as usize];
        if let Some(found) = known.found {
            return Ok(found);
        }
        let found = self.cluster.with(|cluster| {
            cluster.answers()?;
            let index = cluster.topics.index(&known.name)?;
            Ok::<Found, BrokerError>(Found { index, partitions: cluster.topics.partitions(&known.name) })
        })?;
        known.found = Some(found);
        Ok(found)
    }
}

impl Producer for MemoryProducer {
    fn topic(&mut self, name: &str) -> Result<TopicId, BrokerError> {
        let index = self.topics.iter().position(|known| *known.name == *name).unwrap_or_else(|| {
            self.topics.push(Known { name: name.into(), found: None });
            self.topics.len() - 1
        });
        let id = TopicId(index as u32);
        self.find(id)?;
        Ok(id)
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, BrokerError> {
        Ok(self.find(topic)?.partitions)
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        let Found { index, partitions } = self.find(record.topic)?;
        let partition = record.partition.unwrap_or_else(|| {
            self.spread = self.spread.wrapping_add(1);
            self.spread.rem_euclid(partitions)
        });
        let name = &self.topics[record.topic.0 as usize].name;
        self.cluster.with(|cluster| {
            cluster.answers()?;
            let now = cluster.now;
            let topic = cluster.topics.topic(index);
            if topic.cleanup_policy != CleanupPolicy::Delete && record.key.is_none() {
                let message = format!("topic {name} is compacted and takes no record without key");
                return Err(BrokerError::new(ErrorKind::Fatal, message));
            }
            let bytes = size_of_record(&record);
            if bytes > topic.max_message_bytes {
                let (kind, limit) = (ErrorKind::Record, topic.max_message_bytes);
                let message = format!(
                    "a record of {bytes} bytes for topic {name} was not written: it is too large; the limit is {limit} bytes, \
                     the topic's max.message.bytes; raise it"
                );
                return Err(BrokerError::new(kind, message));
            }
            let timestamp = if topic.log_append_time { now } else { record.timestamp };
            topic.log(partition)?;
            if let Some(identity) = &self.transactional {
                cluster.enlist(identity, index, partition)?;
            }
            let stored = StoredRecord {
                timestamp,
                key: record.key.map(Into::into),
                value: record.value.map(Into::into),
                headers: record.headers.clone(),
            };
            let producer = self.transactional.as_ref().map(|identity| identity.producer);
            let wakes = &mut cluster.wakes;
            cluster.topics.topic(index).log(partition)?.append(stored, producer, wakes);
            Ok(())
        })
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        let MemoryProducer { cluster, transactional, group, .. } = self;
        cluster.with(|cluster| {
            match transactional {
                Some(_) => cluster.answers_transactions().map_err(outcome_unknown)?,
                None => cluster.answers()?,
            }
            if transactional.is_some() && cluster.passed_commits > 0 {
                cluster.passed_commits -= 1;
            } else if transactional.is_some() && cluster.refused_commits > 0 {
                cluster.refused_commits -= 1;
                return Err(BrokerError::new(ErrorKind::Abort, "this commit is refused"));
            }
            match group {
                _ if offsets.is_empty() => {}
                None => {
                    let (partition, _) = &offsets[0];
                    let message = format!("a producer outside of any group was given the position of {partition}");
                    return Err(BrokerError::new(ErrorKind::Fatal, message));
                }
                Some(of) => {
                    let identity = *of.identity.lock().unwrap_or_else(PoisonError::into_inner);
                    cluster.group(&of.id).verify(identity)?;
                    match transactional {
                        Some(transaction) => cluster.enlist_offsets(transaction, &of.id, offsets)?,
                        None => cluster.group(&of.id).commit(offsets),
                    }
                }
            }
            transactional.as_ref().map_or(Ok(()), |identity| cluster.end_own_transaction(identity, true))
        })
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        let Some(identity) = &self.transactional else {
            return Ok(());
        };
        self.cluster.with(|cluster| {
            cluster.answers_transactions().map_err(outcome_unknown)?;
            cluster.end_own_transaction(identity, false)
        })
    }
}

/// Whether the end of the transaction arrived is not known: only a new producer helps, as on Kafka.
fn outcome_unknown(error: BrokerError) -> BrokerError {
    BrokerError::new(ErrorKind::Fenced, error.message)
}

fn size_of_record(record: &Outgoing<'_>) -> usize {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = record.headers.iter().map(|(name, value)| name.len() + len(value.as_deref()));
    len(record.key) + len(record.value) + headers.sum::<usize>()
}

fn known(topics: &[Arc<str>]) -> Vec<Known> {
    topics.iter().map(|name| Known { name: name.clone(), found: None }).collect()
}
