use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use millstream::broker::{BrokerError, ErrorKind, Position, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::{ConsumerReports, KafkaConsumer};
use crate::errors;
use crate::presence::Presence;
use crate::refusal;
use crate::rights::Needed;
use crate::settings::KafkaSettings;
use crate::start;

/// How long one question to the cluster may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long the markers of transactions are waited for, and how often they are looked for.
const SETTLE_LIMIT: Duration = Duration::from_millis(100);
const SETTLE_TURN: Duration = Duration::from_millis(2);

/// How long a cluster that may be away gets to answer, and what it is asked for.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
pub(crate) const PROBED_TOPIC: &str = "__consumer_offsets";

/// A topic as the cluster's metadata show it.
pub(crate) struct TopicState {
    pub(crate) partitions: i32,
    /// Every partition has a leader.
    pub(crate) led: bool,
}

/// Asks for topics and end offsets. A consumer without a group, so that no question creates a topic.
pub(crate) struct MetadataClient {
    consumer: KafkaConsumer,
    /// The same for the ends of committed records; made when it is first needed.
    committed: OnceLock<KafkaConsumer>,
    settings: KafkaSettings,
    presence: Presence,
    partitions: Mutex<HashMap<String, i32>>,
}

impl MetadataClient {
    pub(crate) fn new(settings: &KafkaSettings) -> Result<Self, BrokerError> {
        let presence = Presence::default();
        let consumer = settings
            .metadata()
            .create_with_context(ConsumerReports::new("metadata", false, settings, presence.clone()))
            .map_err(|error| errors::of_client("a client for metadata", &error))?;
        let (committed, partitions) = (OnceLock::new(), Mutex::new(HashMap::new()));
        Ok(MetadataClient { consumer, committed, settings: settings.clone(), presence, partitions })
    }

    /// Serves log lines and errors of this client for that long.
    pub(crate) fn serve_reports(&self, time: Duration) {
        self.consumer.poll(time);
    }

    /// What all clients know of the cluster's being there.
    pub(crate) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Asks the cluster whether it is there, where that is in doubt.
    pub(crate) fn look_for_brokers(&self) {
        if self.presence.is_in_doubt() {
            // Any topic will do; with all of them the answer would be large.
            let answer = self.consumer.fetch_metadata(Some(PROBED_TOPIC), PROBE_LIMIT);
            self.presence.asked(answer.map(|_| ()).map_err(|error| error.to_string()));
        }
    }

    /// Waits until the cluster answers; calls `on_wait` after each second or so with the time waited so far.
    pub(crate) fn wait_until_up(
        &self,
        settings: &KafkaSettings,
        limit: Duration,
        on_wait: &mut dyn FnMut(Duration),
    ) -> Result<(), BrokerError> {
        let bootstrap_servers = &settings.bootstrap_servers;
        let start = Instant::now();
        loop {
            let turn = Duration::from_secs(1).min(limit.saturating_sub(start.elapsed()));
            let turn_end = Instant::now() + turn;
            let error = match self.consumer.fetch_metadata(None, turn.max(Duration::from_millis(1))) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            // Another broker may let the client in, or one that starts may not know its users yet: so not at once.
            if let Some((refusal, reason)) = self.consumer.context().refusal()
                && start.elapsed() >= refusal.patience().min(limit)
                && refusal.is_certain(bootstrap_servers)
            {
                let explained = refusal::explained(refusal, settings);
                let message =
                    format!("the Kafka at {bootstrap_servers} refuses the connection: {explained} ({reason})");
                return Err(BrokerError::new(ErrorKind::Fatal, message));
            }
            if start.elapsed() >= limit {
                let last = self.consumer.context().last_error();
                let message = format!(
                    "no Kafka broker answered at {bootstrap_servers} within {} s: {}",
                    limit.as_secs_f32(),
                    if last.is_empty() { error.to_string() } else { last },
                );
                return Err(BrokerError::new(ErrorKind::Fatal, message));
            }
            std::thread::sleep(turn_end.saturating_duration_since(Instant::now()));
            on_wait(start.elapsed());
        }
    }

    /// What the topic is like; `None` if there is no such topic.
    pub(crate) fn topic(&self, name: &str) -> Result<Option<TopicState>, BrokerError> {
        let what = || format!("metadata of topic {name}");
        let metadata =
            self.consumer.fetch_metadata(Some(name), ANSWER_LIMIT).map_err(|e| errors::of_client(&what(), &e))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
        match topic.error() {
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return Ok(None),
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) => {
                return Ok(Some(TopicState { partitions: 0, led: false }));
            }
            Some(code) => {
                let error = errors::of_request(&what(), code.into());
                let rights = self.consumer.context().rights();
                return Err(rights.explain(error, Some(code.into()), Needed::Topic("Describe", name)));
            }
            None => {}
        }
        let partitions = topic.partitions();
        Ok(Some(TopicState {
            partitions: partitions.len() as i32,
            led: partitions.iter().all(|partition| partition.leader() >= 0),
        }))
    }

    /// How many partitions a topic has that a producer writes to; asked once.
    pub(crate) fn partitions(&self, name: &str) -> Result<i32, BrokerError> {
        if let Some(partitions) = self.partitions.lock().unwrap().get(name) {
            return Ok(*partitions);
        }
        match self.topic(name)? {
            Some(topic) if topic.partitions > 0 => {
                self.partitions.lock().unwrap().insert(name.to_owned(), topic.partitions);
                Ok(topic.partitions)
            }
            Some(_) => Err(no_leader(name)),
            None => Err(BrokerError::new(
                ErrorKind::Fatal,
                format!("topic {name} does not exist; create it, or correct the name"),
            )),
        }
    }

    /// The offset after the last record, committed or not, of each partition: one request to each broker.
    pub(crate) fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        let ends: Vec<_> = partitions.iter().map(|partition| (partition, Position::End)).collect();
        start::offsets(&self.consumer, &ends, ANSWER_LIMIT)?.into_iter().collect()
    }

    /// The same, if possible when no transaction is open in any of the partitions.
    pub(crate) fn settled_end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        let ends: Vec<_> = partitions.iter().map(|partition| (partition, Position::End)).collect();
        let deadline = Instant::now() + SETTLE_LIMIT;
        loop {
            let committed = start::offsets(self.committed()?, &ends, ANSWER_LIMIT)?;
            let all = self.end_offsets(partitions)?;
            let is_settled = committed.into_iter().zip(&all).all(|(end, all)| end.is_ok_and(|end| end == *all));
            if is_settled || Instant::now() >= deadline {
                return Ok(all);
            }
            std::thread::sleep(SETTLE_TURN);
        }
    }

    fn committed(&self) -> Result<&KafkaConsumer, BrokerError> {
        if let Some(made) = self.committed.get() {
            return Ok(made);
        }
        let reports = ConsumerReports::new("metadata", false, &self.settings, self.presence.clone());
        let mut config = self.settings.metadata();
        let made = config.set("isolation.level", "read_committed").create_with_context(reports);
        let made = made.map_err(|error| errors::of_client("a client for metadata", &error))?;
        Ok(self.committed.get_or_init(|| made))
    }

    /// The first offset of each partition whose timestamp is that or later.
    pub(crate) fn offsets_at(
        &self,
        partitions: &[TopicPartition],
        timestamp: i64,
    ) -> Result<Vec<Option<i64>>, BrokerError> {
        let what = || format!("the offsets at timestamp {timestamp}");
        // Numbers below 0 ask for a beginning or an end; no record is that old.
        let timestamp = timestamp.max(0);
        let mut asked = TopicPartitionList::new();
        for TopicPartition { topic, partition } in partitions {
            asked
                .add_partition_offset(topic, *partition, Offset::Offset(timestamp))
                .map_err(|e| errors::of_client(&what(), &e))?;
        }
        let found = self.consumer.offsets_for_times(asked, ANSWER_LIMIT).map_err(|e| errors::of_client(&what(), &e));
        let has_all = found.as_ref().is_ok_and(|found| found.elements().iter().all(|element| element.error().is_ok()));
        if !has_all {
            start::find_leaders_anew(&self.consumer, partitions.iter());
        }
        let found = found?;
        let offset_of = |partition: &TopicPartition| {
            let element = found.find_partition(&partition.topic, partition.partition);
            match element.as_ref().map(|element| (element.error(), element.offset())) {
                Some((Ok(()), Offset::Offset(offset))) => Ok(Some(offset)),
                Some((Ok(()), _)) => Ok(None),
                Some((Err(error), _)) => Err(errors::of_client(&what(), &error)),
                None => Err(BrokerError::new(ErrorKind::Retry, format!("{}: no answer for {partition}", what()))),
            }
        };
        partitions.iter().map(offset_of).collect()
    }
}

pub(crate) fn no_leader(topic: &str) -> BrokerError {
    BrokerError::new(ErrorKind::Retry, format!("topic {topic} has no leader yet; it may be a moment old"))
}
