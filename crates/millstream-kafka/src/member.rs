use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use millstream::broker::{
    Assignment, BrokerError, Committed, ErrorKind, GroupEvent, GroupMember, PartitionReader, Producer, TopicPartition,
};
use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::{ConsumerReports, KafkaConsumer};
use crate::errors;
use crate::metadata::MetadataClient;
use crate::native::metadata_texts;
use crate::producer::KafkaProducer;
use crate::reader::{KafkaReader, Slot, add_start};
use crate::settings::{GroupProtocol, KafkaSettings};

/// How long a question for committed positions may take, pending transactions included.
const COMMITTED_LIMIT: Duration = Duration::from_secs(5);

/// How long leaving the group may take; after that it goes on by itself.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// What the producers of a member know of it.
pub(crate) struct Membership {
    consumer: Weak<KafkaConsumer>,
    protocol: GroupProtocol,
    /// Classic protocol: who the member was when it was last given partitions. Asked later, librdkafka may answer with
    /// the metadata of nobody, which the broker accepts from anyone.
    at_assignment: Mutex<Option<Arc<ConsumerGroupMetadata>>>,
    left: AtomicBool,
}

impl Membership {
    /// The member's consumer, as long as it is in the group.
    pub(crate) fn consumer(&self) -> Result<Arc<KafkaConsumer>, BrokerError> {
        let gone = || BrokerError::new(ErrorKind::Abort, "offsets cannot be committed: the member has left its group");
        if self.left.load(Ordering::SeqCst) {
            return Err(gone());
        }
        self.consumer.upgrade().ok_or_else(gone)
    }

    /// Whom a transaction commits for; the broker refuses it if that is not the member's present state.
    pub(crate) fn metadata(&self) -> Result<Arc<ConsumerGroupMetadata>, BrokerError> {
        let consumer = self.consumer()?;
        let metadata = match self.protocol {
            GroupProtocol::Classic => self.at_assignment.lock().unwrap().clone(),
            // Its epoch moves on without an event. A member that was fenced has none until it answers `Lost`.
            GroupProtocol::Consumer => consumer.group_metadata().map(Arc::new),
        };
        metadata.ok_or_else(|| {
            BrokerError::new(ErrorKind::Abort, "offsets cannot be committed: the member has no partitions yet")
        })
    }
}

/// The member of the group.
pub(crate) struct KafkaMember {
    consumer: Arc<KafkaConsumer>,
    settings: Arc<KafkaSettings>,
    topics: Arc<MetadataClient>,
    membership: Arc<Membership>,
    slots: HashMap<TopicPartition, Arc<Slot>>,
    /// The event that is handed out and not answered.
    unanswered: Option<GroupEvent>,
}

impl KafkaMember {
    pub(crate) fn join(
        settings: Arc<KafkaSettings>,
        metadata: Arc<MetadataClient>,
        topics: &[&str],
    ) -> Result<Self, BrokerError> {
        let what = format!("joining group {}", settings.group_id);
        let incremental = settings.group_protocol == GroupProtocol::Consumer;
        let consumer: KafkaConsumer = settings
            .member()
            .create_with_context(ConsumerReports::new("member", incremental))
            .map_err(|error| errors::of_client(&what, &error))?;
        let consumer = Arc::new(consumer);
        let membership = Arc::new(Membership {
            consumer: Arc::downgrade(&consumer),
            protocol: settings.group_protocol,
            at_assignment: Mutex::new(None),
            left: AtomicBool::new(false),
        });
        let member =
            KafkaMember { consumer, settings, topics: metadata, membership, slots: HashMap::new(), unanswered: None };
        member.consumer.subscribe(topics).map_err(|error| errors::of_client(&what, &error))?;
        Ok(member)
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
        fatal.then(|| BrokerError::new(ErrorKind::Fatal, format!("group {}: {last}", self.settings.group_id)))
    }

    /// Makes the readers that stay find their place again when librdkafka resumes their partitions.
    fn resync(&self) {
        self.slots.values().for_each(|slot| slot.resync());
    }

    /// Leaves, once, in a thread of its own, since librdkafka may wait for a broker that is gone; the receiver hangs up
    /// when it is done. The thread waits until the caller drops this.
    fn close(&mut self) -> Option<Receiver<()>> {
        if self.membership.left.swap(true, Ordering::SeqCst) {
            return None;
        }
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
        self.consumer.unsubscribe();
        let consumer = self.consumer.clone();
        let (left, leaving) = channel();
        std::thread::spawn(move || {
            drop_when_unshared(consumer);
            drop(left);
        });
        Some(leaving)
    }
}

/// Drops the consumer, which closes it; before that, waits until readers and commits under way have let go of it.
fn drop_when_unshared(mut consumer: Arc<KafkaConsumer>) {
    loop {
        match Arc::try_unwrap(consumer) {
            Ok(consumer) => return drop(consumer),
            Err(shared) => consumer = shared,
        }
        consumer.poll(Duration::from_millis(5));
    }
}

impl GroupMember for KafkaMember {
    fn poll(&mut self, timeout: Duration) -> Result<Option<GroupEvent>, BrokerError> {
        let deadline = Instant::now() + timeout;
        loop {
            let polled = self.consumer.poll(deadline.saturating_duration_since(Instant::now()));
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
        let answer = self
            .consumer
            .committed_offsets(list_of(partitions), COMMITTED_LIMIT)
            .map_err(|error| errors::of_client(&what, &error))?;
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
        for assignment in &assignments {
            add_start(&mut list, assignment)?;
            if let Some(earlier) = self.slots.remove(&assignment.partition) {
                earlier.close();
            }
            let slot = Slot::open(&self.consumer, assignment)?;
            readers.push(Box::new(KafkaReader::new(slot.clone(), assignment.from, None)));
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
        *self.membership.at_assignment.lock().unwrap() = self.consumer.group_metadata().map(Arc::new);
        for (partition, slot) in slots {
            // librdkafka wakes for the first message in an empty queue only, and this one may hold void messages.
            slot.wake();
            self.slots.insert(partition, slot);
        }
        Ok(readers)
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), BrokerError> {
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

    fn leave(mut self: Box<Self>) -> Result<(), BrokerError> {
        let group = self.settings.group_id.clone();
        let leaving = self.close();
        drop(self);
        if let Some(leaving) = leaving
            && leaving.recv_timeout(LEAVE_LIMIT) == Err(RecvTimeoutError::Timeout)
        {
            let seconds = LEAVE_LIMIT.as_secs();
            tracing::warn!("leaving group {group} takes longer than {seconds} s: its broker may be down; not waiting");
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
