use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use millstream::broker::{
    Assignment, BrokerError, Committed, ErrorKind, GroupEvent, GroupMember, PartitionReader, Producer, TopicPartition,
};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::closing::close_apart;
use crate::context::{ConsumerReports, KafkaConsumer};
use crate::errors;
use crate::fence;
use crate::membership::Membership;
use crate::metadata::MetadataClient;
use crate::missed::Missed;
use crate::native::{GroupMetadata, metadata_texts};
use crate::producer::KafkaProducer;
use crate::reader::{KafkaReader, Slot, resync};
use crate::rights::Needed;
use crate::settings::{GroupProtocol, KafkaSettings};
use crate::start;

/// How long a question for committed positions may take, pending transactions included. Who asks may then do something about
/// these, and asks again.
const COMMITTED_LIMIT: Duration = Duration::from_secs(2);

/// How long leaving the group may take; after that it goes on by itself.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// After so long it is looked whether waiting makes sense.
const LEAVE_TURN: Duration = Duration::from_millis(200);

/// The member of the group.
pub(crate) struct KafkaMember {
    consumer: Arc<KafkaConsumer>,
    settings: Arc<KafkaSettings>,
    topics: Arc<MetadataClient>,
    membership: Arc<Membership>,
    slots: HashMap<TopicPartition, Arc<Slot>>,
    subscribed: Vec<String>,
    /// Whether it has begun to join: with the first poll, as between joining and polling nobody would answer a rebalance.
    has_begun: bool,
    /// The event that is handed out and not answered.
    unanswered: Option<GroupEvent>,
    missed: Missed,
    /// Of the classic protocol: how often librdkafka is to send heartbeats.
    heartbeat: Option<Duration>,
    woken_at: Instant,
}

impl KafkaMember {
    pub(crate) fn join(
        settings: Arc<KafkaSettings>,
        metadata: Arc<MetadataClient>,
        topics: &[&str],
    ) -> Result<Self, BrokerError> {
        let what = format!("joining group {}", settings.group_id);
        let incremental = settings.group_protocol == GroupProtocol::Consumer;
        let config = settings.member();
        let heartbeat = config.get("heartbeat.interval.ms").and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let consumer: KafkaConsumer = config
            .create_with_context(ConsumerReports::new("member", incremental, &settings, metadata.presence().clone()))
            .map_err(|error| errors::of_client(&what, &error))?;
        let consumer = Arc::new(consumer);
        let membership = Arc::new(Membership::new(&consumer, settings.group_protocol));
        let member = KafkaMember {
            consumer,
            settings,
            topics: metadata,
            membership,
            slots: HashMap::new(),
            subscribed: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            has_begun: false,
            unanswered: None,
            missed: Missed::default(),
            heartbeat: heartbeat.filter(|_| !incremental),
            woken_at: Instant::now(),
        };
        Ok(member)
    }

    /// Has librdkafka look whether a heartbeat is due: with the classic protocol it does so only when something else wakes its
    /// main thread, which may be once a second, and the rebalance that a heartbeat tells of begins as much later.
    fn wake_for_heartbeat(&mut self) {
        if self.heartbeat.is_some_and(|interval| self.woken_at.elapsed() >= interval / 2) {
            self.woken_at = Instant::now();
            GroupMetadata::of(&self.consumer);
        }
    }

    fn begin(&mut self) -> Result<(), BrokerError> {
        let topics: Vec<&str> = self.subscribed.iter().map(String::as_str).collect();
        let what = || format!("joining group {}", self.settings.group_id);
        self.consumer.subscribe(&topics).map_err(|error| errors::of_client(&what(), &error))?;
        self.has_begun = true;
        Ok(())
    }

    fn incremental(&self) -> bool {
        self.settings.group_protocol == GroupProtocol::Consumer
    }

    /// Hands the event out, or answers it if there is nothing in it: the caller never sees an empty one.
    fn hand_out(&mut self, event: GroupEvent) -> Result<Option<GroupEvent>, BrokerError> {
        match &event {
            GroupEvent::Assigned(partitions) if partitions.is_empty() => {
                self.assign(Vec::new())?;
                return Ok(None);
            }
            GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) if partitions.is_empty() => {
                self.unassign(&[])?;
                return Ok(None);
            }
            _ => {}
        }
        self.unanswered = Some(event.clone());
        Ok(Some(event))
    }

    /// What the client could not get over by itself.
    fn failure(&self, error: &KafkaError) -> Option<BrokerError> {
        let code = errors::code_of(error);
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_))
            || code.is_some_and(|code| {
                matches!(code, Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed)
                    || matches!(code, Code::UnsupportedVersion | Code::UnsupportedFeature | Code::UnsupportedAssignor)
            });
        let last = self.consumer.context().last_error();
        // librdkafka 2.12 asks for what brokers refuse when it has left by itself, with the consumer protocol.
        let hint = match code {
            Some(Code::InvalidRequest) if self.incremental() => {
                "; a member that was not polled for max.poll.interval.ms cannot join anew: start the process again"
            }
            _ => "",
        };
        let refused =
            self.subscribed.iter().filter(|topic| last.contains(topic.as_str())).max_by_key(|topic| topic.len());
        let needed = Needed::Topic("Read", refused.map_or("…", String::as_str));
        fatal.then(|| {
            let error = BrokerError::new(ErrorKind::Fatal, format!("group {}: {last}{hint}", self.settings.group_id));
            self.consumer.context().rights().explain(error, code, needed)
        })
    }

    /// Makes the readers that stay find their place again when librdkafka resumes their partitions.
    fn resync(&self) {
        resync(&self.consumer, self.slots.values());
    }

    /// Joins anew where the group has given this member other partitions than it was told of: see [`crate::missed`]. What it
    /// reads is revoked first, as with any rebalance.
    fn look_for_missed(&mut self) -> Result<(), BrokerError> {
        let is_settled = self.unanswered.is_none() && !self.consumer.context().has_event();
        let (now, group) = (Instant::now(), &self.settings.group_id);
        let can_ask = self.topics.presence().away().is_none();
        let Some(given) = self.missed.ask(now, &self.consumer, group, is_settled, can_ask) else { return Ok(()) };
        if !self.missed.is_sure(now, given, &self.slots.keys().cloned().collect()) {
            return Ok(());
        }
        tracing::warn!(
            "the answer to a heartbeat was lost, and with it which partitions this member of group {group} is to read; \
             joining anew"
        );
        self.consumer.unsubscribe();
        let topics: Vec<&str> = self.subscribed.iter().map(String::as_str).collect();
        self.consumer
            .subscribe(&topics)
            .map_err(|error| errors::of_client(&format!("joining group {group} anew"), &error))
    }

    /// Leaves, once; the receiver hangs up when it is done, which cannot be before the caller drops this.
    fn close(&mut self) -> Option<Receiver<()>> {
        if self.membership.leave() {
            return None;
        }
        self.missed.end();
        self.slots.drain().for_each(|(_, slot)| slot.close());
        let reports = self.consumer.context();
        reports.close();
        if let Some(event) = self.unanswered.take().or_else(|| reports.next_event()) {
            let (assigned, partitions) = match &event {
                GroupEvent::Assigned(partitions) => (true, partitions),
                GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions) => (false, partitions),
            };
            reports.answer(&self.consumer, assigned, &list_of(partitions));
        }
        // A static member's place is kept for its next start: closing does not tell the group, but this would.
        if !self.settings.static_membership {
            self.consumer.unsubscribe();
        }
        Some(close_apart(self.consumer.clone()))
    }
}

impl GroupMember for KafkaMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<GroupEvent>, BrokerError> {
        if !self.has_begun {
            self.begin()?;
        }
        let deadline = Instant::now() + timeout;
        loop {
            self.wake_for_heartbeat();
            // In whole milliseconds: rust-rdkafka waits for what is left of one by asking again and again.
            let left = deadline.saturating_duration_since(Instant::now());
            let turn = Duration::from_millis(left.as_micros().div_ceil(1000) as u64);
            let polled = self.consumer.poll(self.heartbeat.map_or(turn, |interval| turn.min(interval / 2)));
            match polled {
                None => {}
                Some(Ok(record)) => {
                    let place = format!("{}[{}] at {}", record.topic(), record.partition(), record.offset());
                    let message = format!("a record of {place} came through the group's queue, and not its reader's");
                    return Err(BrokerError::new(ErrorKind::Fatal, message));
                }
                Some(Err(error)) => {
                    if let Some(failure) = self.failure(&error) {
                        return Err(failure);
                    }
                }
            }
            let noted = self.consumer.context().next_event();
            if let Some(event) = noted.map(|event| self.hand_out(event)).transpose()?.flatten() {
                return Ok(Some(event));
            }
            if self.incremental() {
                self.look_for_missed()?;
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<Committed>>, BrokerError> {
        let what = format!("committed positions of group {}", self.settings.group_id);
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.consumer.committed_offsets(list_of(partitions), COMMITTED_LIMIT).map_err(|error| {
            let needed = Needed::Topic("Read", &partitions[0].topic);
            let explained = errors::of_client(&what, &error);
            self.consumer.context().rights().explain(explained, errors::code_of(&error), needed)
        })?;
        let texts = metadata_texts(&answer);
        let mut found = HashMap::with_capacity(partitions.len());
        for (element, metadata) in answer.elements().into_iter().zip(texts) {
            let partition = TopicPartition::new(element.topic(), element.partition());
            element.error().map_err(|error| errors::of_client(&format!("{what}: {partition}"), &error))?;
            if let Offset::Offset(offset) = element.offset() {
                found.insert(partition, Committed { offset, metadata });
            }
        }
        Ok(partitions.iter().map(|partition| found.get(partition).cloned()).collect())
    }

    fn assign(&mut self, assignments: Vec<Assignment>) -> Result<Vec<Box<dyn PartitionReader>>, BrokerError> {
        let mut list = TopicPartitionList::with_capacity(assignments.len());
        let mut readers: Vec<Box<dyn PartitionReader>> = Vec::with_capacity(assignments.len());
        let mut slots = Vec::with_capacity(assignments.len());
        let starts = start::resolved(&self.consumer, &assignments);
        for (assignment, from) in assignments.iter().zip(starts) {
            start::add(&mut list, &assignment.partition, from)?;
            if let Some(earlier) = self.slots.remove(&assignment.partition) {
                earlier.close();
            }
            let slot = Slot::open(&self.consumer, assignment)?;
            readers.push(Box::new(KafkaReader::new(slot.clone(), from, None)));
            slots.push((assignment.partition.clone(), slot));
        }
        let answer = match self.incremental() {
            true => {
                self.resync();
                self.consumer.incremental_assign(&list)
            }
            false => self.consumer.assign(&list),
        };
        answer.map_err(|error| errors::of_client("starting to read the partitions assigned", &error))?;
        self.unanswered = None;
        self.membership.assigned(&self.consumer, assignments.into_iter().map(|assignment| assignment.partition));
        for (partition, slot) in slots {
            // librdkafka wakes for the first message in an empty queue only, and this one may hold void messages.
            slot.wake();
            self.slots.insert(partition, slot);
        }
        Ok(readers)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
        self.membership.revoked(partitions);
        let answer = match self.incremental() {
            true => {
                for partition in partitions {
                    if let Some(slot) = self.slots.remove(partition) {
                        slot.close();
                    }
                }
                self.resync();
                self.consumer.incremental_unassign(&list_of(partitions))
            }
            // The classic protocol takes everything away at once.
            false => {
                self.slots.drain().for_each(|(_, slot)| slot.close());
                self.consumer.unassign()
            }
        };
        self.unanswered = None;
        answer.map_err(|error| errors::of_client("giving up the partitions revoked", &error))
    }

    fn producer(
        &mut self,
        transactional_id: Option<&str>,
        topics: &[Arc<str>],
    ) -> Result<Box<dyn Producer>, BrokerError> {
        let (membership, metadata) = (Some(self.membership.clone()), self.topics.clone());
        Ok(Box::new(KafkaProducer::start(&self.settings, transactional_id, topics, membership, metadata)?))
    }

    fn fence(&mut self, transactional_ids: &[&str]) -> Result<(), BrokerError> {
        for id in transactional_ids {
            fence::begin(self.settings.clone(), (*id).to_owned(), self.topics.clone());
        }
        Ok(())
    }

    fn leave(mut self: Box<Self>) -> Result<(), BrokerError> {
        let group = self.settings.group_id.clone();
        let metadata = self.topics.clone();
        let leaving = self.close();
        drop(self);
        let Some(leaving) = leaving else { return Ok(()) };
        let started = Instant::now();
        while leaving.recv_timeout(LEAVE_TURN) == Err(RecvTimeoutError::Timeout) {
            // There is nobody to tell that the member leaves; its session times out.
            let is_hopeless = metadata.presence().away().is_some() || metadata.presence().check().is_err();
            if is_hopeless || started.elapsed() >= LEAVE_LIMIT {
                tracing::warn!("the broker does not answer that the member has left group {group}; not waiting for it");
                break;
            }
        }
        Ok(())
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.close();
    }
}

fn list_of(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}
