use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::broker::{Assignment, BrokerError, ErrorKind, PartitionReader, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use crate::closing::close_apart;
use crate::context::{ConsumerReports, KafkaConsumer};
use crate::errors;
use crate::presence::Presence;
use crate::reader::{KafkaReader, Slot};
use crate::settings::KafkaSettings;
use crate::start;

/// How long the leaders of a topic are waited for. Without an answer librdkafka asks again by itself.
const LEADERS_LIMIT: Duration = Duration::from_millis(200);

/// Reads outside of the group: one consumer for many readers, of different partitions, which never subscribes and never
/// commits.
pub(crate) struct Restore {
    consumer: Arc<KafkaConsumer>,
    read: Mutex<HashSet<TopicPartition>>,
}

impl Restore {
    pub(crate) fn new(settings: &KafkaSettings, presence: Presence) -> Result<Self, BrokerError> {
        let reports = ConsumerReports::new("restore", true, settings, presence);
        // Should librdkafka report a rebalance when it closes, nobody would answer.
        reports.close();
        let consumer: KafkaConsumer = settings
            .restore()
            .create_with_context(reports)
            .map_err(|error| errors::of_client("a consumer for readers outside of the group", &error))?;
        Ok(Restore { consumer: Arc::new(consumer), read: Mutex::new(HashSet::new()) })
    }

    /// Serves log lines and errors of the consumer for that long.
    pub(crate) fn serve_reports(&self, time: Duration) {
        self.consumer.poll(time);
    }

    /// Whether it has a reader of this partition.
    pub(crate) fn reads(&self, partition: &TopicPartition) -> bool {
        self.read.lock().unwrap().contains(partition)
    }

    /// A reader of one more partition; a partition has one reader at a time.
    pub(crate) fn reader(self: &Arc<Self>, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        let partition = &assignment.partition;
        self.ask_for_leaders(&partition.topic);
        let from = start::resolved(&self.consumer, std::slice::from_ref(&assignment))[0];
        let mut list = TopicPartitionList::with_capacity(1);
        start::add(&mut list, partition, from)?;
        // Held until the partition is assigned: else its last reader could take it away just then.
        let mut read = self.read.lock().unwrap();
        if read.contains(partition) {
            let message = format!("{partition} has another reader outside of the group: drop that one first");
            return Err(BrokerError::new(ErrorKind::Retry, message));
        }
        let slot = Slot::open(&self.consumer, &assignment)?;
        self.consumer.incremental_assign(&list).map_err(|error| {
            BrokerError::new(ErrorKind::Fatal, format!("reading {partition} outside of the group: {error}"))
        })?;
        read.insert(partition.clone());
        // As for a member's reader: the queue may hold void messages of an earlier one, and librdkafka stay silent.
        slot.wake();
        Ok(Box::new(KafkaReader::new(slot, from, Some(self.clone()))))
    }

    /// librdkafka looks for the leaders of a topic that is new to it when its turn comes, once a second, unless it has just been
    /// told them. Tasks that move would stand still meanwhile.
    fn ask_for_leaders(&self, topic: &str) {
        let is_new = !self.read.lock().unwrap().iter().any(|partition| *partition.topic == *topic);
        if is_new && let Err(error) = self.consumer.fetch_metadata(Some(topic), LEADERS_LIMIT) {
            tracing::debug!(topic, %error, "its leaders are not known yet");
        }
    }

    /// Takes a partition away whose reader is dropped.
    pub(crate) fn release(&self, partition: &TopicPartition) {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&partition.topic, partition.partition);
        let mut read = self.read.lock().unwrap();
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::warn!(%partition, "a reader's partition was not given back: {error}");
        }
        read.remove(partition);
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        close_apart(self.consumer.clone());
    }
}
