use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use millstream::broker::{Broker, CleanupPolicy, NewTopic, Producer, TopicPartition};
use millstream::client::patient;
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_local_kafka::LocalKafka;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;

/// How long a Kafka that was given may take to answer.
const UP_LIMIT: Duration = Duration::from_secs(10);

/// How long the broker may take to list its topics.
const METADATA_LIMIT: Duration = Duration::from_secs(10);

/// How long the broker may take to delete topics.
const DELETE_LIMIT: Duration = Duration::from_secs(30);

/// The Kafka that is measured on.
pub(crate) struct Cluster {
    broker: KafkaBroker,
    bootstrap_servers: String,
    /// Topics made here that are there still.
    topics: Mutex<Vec<String>>,
    /// Ends with this value, if it was started here.
    _local: Option<LocalKafka>,
}

impl Cluster {
    /// The Kafka at `bootstrap_servers`, or one that is started for this.
    pub(crate) fn start(bootstrap_servers: Option<&str>) -> Result<Self> {
        let local = match bootstrap_servers {
            Some(_) => None,
            None => Some(LocalKafka::start().context("starting a Kafka (--bootstrap-servers uses one that runs)")?),
        };
        let bootstrap_servers = match (bootstrap_servers, &local) {
            (Some(given), _) => given.to_owned(),
            (None, Some(local)) => local.bootstrap_servers().to_owned(),
            (None, None) => unreachable!("a Kafka is given or started"),
        };
        let broker = KafkaBroker::new(KafkaSettings::new(&bootstrap_servers, "compare"))?;
        broker.wait_until_up(UP_LIMIT, &mut |_| {})?;
        Ok(Cluster { broker, bootstrap_servers, topics: Mutex::default(), _local: local })
    }

    pub(crate) fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Makes topics of so many partitions. Their records stay, however old their timestamps are.
    pub(crate) fn create(&self, topics: &[(&str, CleanupPolicy)], partitions: i32) -> Result<()> {
        let new = topics.iter().map(|(name, cleanup_policy)| NewTopic {
            name: (*name).to_owned(),
            partitions,
            replication_factor: None,
            cleanup_policy: *cleanup_policy,
            config: [("retention.ms".to_owned(), "-1".to_owned())].into(),
        });
        self.broker.create(&new.collect::<Vec<_>>())?;
        self.topics
            .lock()
            .expect("no panic while topics are noted")
            .extend(topics.iter().map(|(name, _)| (*name).to_owned()));
        Ok(())
    }

    pub(crate) fn producer(&self, topic: &str) -> Result<Box<dyn Producer>> {
        Ok(self.broker.producer(&[topic.into()])?)
    }

    /// How many records lie in the partitions of a topic, or lay in it before they were compacted; a transaction's markers count,
    /// too.
    pub(crate) fn count(&self, topic: &str, partitions: i32) -> Result<u64> {
        let partitions: Vec<_> = (0..partitions).map(|number| TopicPartition::new(topic, number)).collect();
        let ends = patient(METADATA_LIMIT, || self.broker.end_offsets(&partitions))?;
        u64::try_from(ends.iter().sum::<i64>()).with_context(|| format!("{topic} has the end offsets {ends:?}"))
    }

    /// The same of all topics of which the name begins and ends so, as changelogs that contestants made themselves.
    pub(crate) fn count_all(&self, start: &str, end: &str) -> Result<u64> {
        let all = self.all()?;
        let found = all.iter().filter(|(name, _)| name.starts_with(start) && name.ends_with(end));
        found.map(|(name, partitions)| self.count(name, *partitions)).sum()
    }

    /// All topics, and how many partitions each has.
    fn all(&self) -> Result<Vec<(String, i32)>> {
        let metadata = self.admin()?.inner().fetch_metadata(None, METADATA_LIMIT).context("listing topics")?;
        Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32)).collect())
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        Ok(ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap_servers)
            // Nobody takes this client's log lines out of their queue; its calls answer with their errors.
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create()?)
    }

    /// Deletes all topics whose names begin so, whoever made them, so that their files neither fill the disk nor are
    /// compacted while the next contestant runs.
    pub(crate) fn delete_topics_of(&self, start: &str) -> Result<()> {
        let all = self.all()?.into_iter().map(|(name, _)| name);
        self.delete(all.filter(|name| name.starts_with(start)).collect())
    }

    /// Deletes all topics made here.
    pub(crate) fn delete_topics(&self) -> Result<()> {
        // A statement of its own: `delete` locks them, too.
        let topics = std::mem::take(&mut *self.topics.lock().expect("no panic while topics are noted"));
        self.delete(topics)
    }

    fn delete(&self, names: Vec<String>) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        self.topics.lock().expect("no panic while topics are noted").retain(|topic| !names.contains(topic));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(DELETE_LIMIT));
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        for outcome in runtime.block_on(self.admin()?.delete_topics(&names, &options)).context("deleting topics")? {
            outcome.map_err(|(topic, code)| anyhow::anyhow!("deleting topic {topic}: {code}"))?;
        }
        Ok(())
    }
}
