use std::collections::BTreeMap;
use std::sync::Arc;

use millstream::broker::{BrokerError, CleanupPolicy, ErrorKind, NewTopic, TopicDescription, TopicPartition};
use millstream::record::Timestamp;

use super::log::Log;

/// A topic's place in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicIndex(usize);

#[derive(Default)]
pub(crate) struct Topics {
    by_name: BTreeMap<Arc<str>, TopicIndex>,
    topics: Vec<Topic>,
}

pub(crate) struct Topic {
    name: Arc<str>,
    pub(crate) cleanup_policy: CleanupPolicy,
    /// How long records are kept, in ms; -1 for ever.
    retention_ms: i64,
    delete_retention_ms: i64,
    pub(crate) log_append_time: bool,
    /// How large a record may be.
    pub(crate) max_message_bytes: usize,
    pub(crate) partitions: Vec<Log>,
}

/// Kafka's defaults, in ms.
const RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const MAX_MESSAGE_BYTES: i64 = 1_048_588;
const DELETE_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

/// The settings of a topic that mean something here, and those that a single log in memory can ignore.
const CONFIG_KEYS: [&str; 14] = [
    "cleanup.policy",
    "compression.type",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "retention.ms",
    "segment.ms",
];

impl Topics {
    /// Creates a topic; one that exists is left as it is.
    pub(crate) fn create(&mut self, new: &NewTopic) -> Result<(), BrokerError> {
        let topic = Topic::new(new)?;
        if !self.by_name.contains_key(&topic.name) {
            self.by_name.insert(topic.name.clone(), TopicIndex(self.topics.len()));
            self.topics.push(topic);
        }
        Ok(())
    }

    pub(crate) fn describe(&self, name: &str) -> Option<TopicDescription> {
        let topic = &self.topics[self.by_name.get(name)?.0];
        Some(TopicDescription {
            name: name.to_owned(),
            partitions: topic.partitions.len() as i32,
            cleanup_policy: topic.cleanup_policy,
        })
    }

    pub(crate) fn index(&self, name: &str) -> Result<TopicIndex, BrokerError> {
        let found = self.by_name.get(name).copied();
        found.ok_or_else(|| BrokerError::new(ErrorKind::Fatal, format!("topic {name} does not exist")))
    }

    pub(crate) fn topic(&mut self, index: TopicIndex) -> &mut Topic {
        &mut self.topics[index.0]
    }

    pub(crate) fn log(&mut self, partition: &TopicPartition) -> Result<&mut Log, BrokerError> {
        let index = self.index(&partition.topic)?;
        self.topics[index.0].log(partition.partition)
    }

    /// How many partitions a topic has; 0 for one that does not exist.
    pub(crate) fn partitions(&self, name: &str) -> i32 {
        self.by_name.get(name).map_or(0, |index| self.topics[index.0].partitions.len() as i32)
    }

    pub(crate) fn clean(&mut self, now: Timestamp) {
        for topic in &mut self.topics {
            let compacts = topic.cleanup_policy != CleanupPolicy::Delete;
            let deletes = topic.cleanup_policy != CleanupPolicy::Compact && topic.retention_ms >= 0;
            for log in &mut topic.partitions {
                if compacts {
                    log.compact(now, topic.delete_retention_ms);
                }
                if deletes {
                    log.expire(now.saturating_sub(topic.retention_ms));
                }
            }
        }
    }
}

impl Topic {
    fn new(new: &NewTopic) -> Result<Topic, BrokerError> {
        let refuse = |what: String| BrokerError::new(ErrorKind::Fatal, format!("topic {}: {what}", new.name));
        let number = |key: &str, default: i64| match new.config.get(key) {
            Some(text) => text.parse().map_err(|_| refuse(format!("{key} is `{text}`, and must be a number"))),
            None => Ok(default),
        };
        if let Some(unknown) = new.config.keys().find(|key| !CONFIG_KEYS.contains(&key.as_str())) {
            return Err(refuse(format!("{unknown} is not a topic's setting; known are {}", CONFIG_KEYS.join(", "))));
        }
        if new.partitions < 1 {
            return Err(refuse(format!("it is to have {} partitions, and must have at least 1", new.partitions)));
        }
        Ok(Topic {
            name: new.name.as_str().into(),
            cleanup_policy: new.cleanup_policy,
            retention_ms: number("retention.ms", RETENTION_MS)?,
            delete_retention_ms: number("delete.retention.ms", DELETE_RETENTION_MS)?,
            log_append_time: new.config.get("message.timestamp.type").is_some_and(|kind| kind == "LogAppendTime"),
            max_message_bytes: number("max.message.bytes", MAX_MESSAGE_BYTES)?.max(0) as usize,
            partitions: (0..new.partitions).map(|_| Log::default()).collect(),
        })
    }

    pub(crate) fn log(&mut self, partition: i32) -> Result<&mut Log, BrokerError> {
        let (name, count) = (self.name.clone(), self.partitions.len());
        let log = usize::try_from(partition).ok().and_then(|partition| self.partitions.get_mut(partition));
        log.ok_or_else(|| {
            let message = format!("{name}[{partition}] does not exist; the topic has {count} partitions");
            BrokerError::new(ErrorKind::Fatal, message)
        })
    }
}
