use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{BrokerError, Committed, ErrorKind, Outgoing, Producer, TopicId, TopicPartition};
use rdkafka::producer::{BaseProducer, Producer as NativeCalls};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::context::DeliveryReports;
use crate::errors::{self, Unwritten};
use crate::membership::Membership;
use crate::metadata::{MetadataClient, PROBED_TOPIC};
use crate::native::{NativeProducer, TransactionFailure, commit_positions};
use crate::rights::Needed;
use crate::settings::KafkaSettings;

/// How long a new producer waits until the earlier one's transaction is ended, before its owner is to ask again.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// How long is waited for that at once.
const INIT_TURN: Duration = Duration::from_millis(500);

/// How long a new producer waits for a connection before it goes on without.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// How long the positions are sent again when they are committed without a transaction.
const POSITIONS_LIMIT: Duration = Duration::from_secs(10);

/// By how much the broker's or librdkafka's own limit may be missed.
const SLACK: Duration = Duration::from_secs(5);

/// A call of the transaction is given this much time at least. librdkafka forgets which call is under way when one that goes
/// on with it times out at once; it then takes the broker's answer to a commit for that to an abort, and ends the process.
const CALL_MIN: Duration = Duration::from_secs(1);

/// How long is waited at once where the member may leave, or the producer fail, meanwhile.
const TURN: Duration = Duration::from_millis(200);

/// A topic that records are written to.
struct OutTopic {
    name: Arc<str>,
    /// How many partitions it has, once the broker was asked.
    partitions: Option<i32>,
}

/// Writes records, and commits for the member that made it.
pub(crate) struct KafkaProducer {
    native: NativeProducer,
    settings: KafkaSettings,
    transactional_id: Option<String>,
    in_transaction: bool,
    topics: Vec<OutTopic>,
    metadata: Arc<MetadataClient>,
    /// For whom positions are committed; none outside of a group.
    membership: Option<Arc<Membership>>,
    /// By then, librdkafka has delivered a record or given it up; none if it never gives up.
    delivery_limit: Option<Duration>,
    /// By then, the broker has aborted a transaction that is not ended.
    transaction_limit: Duration,
}

impl KafkaProducer {
    pub(crate) fn start(
        settings: &KafkaSettings,
        transactional_id: Option<&str>,
        topics: &[Arc<str>],
        membership: Option<Arc<Membership>>,
        metadata: Arc<MetadataClient>,
    ) -> Result<Self, BrokerError> {
        let config = settings.producer(transactional_id);
        let mut producer = KafkaProducer {
            native: native(settings, transactional_id, &metadata)?,
            settings: settings.clone(),
            transactional_id: transactional_id.map(str::to_owned),
            in_transaction: false,
            topics: Vec::with_capacity(topics.len()),
            metadata,
            membership,
            delivery_limit: delivery_limit(&config),
            transaction_limit: milliseconds(&config, &["transaction.timeout.ms"], 60_000) + SLACK,
        };
        for topic in topics {
            producer.add(topic.clone())?;
        }
        if transactional_id.is_some() {
            connect(&producer.native);
            producer.init_transactions(&producer.native)?;
            producer.deliveries().note_ending();
        }
        Ok(producer)
    }

    fn add(&mut self, name: Arc<str>) -> Result<TopicId, BrokerError> {
        self.native.add_topic(&name)?;
        self.topics.push(OutTopic { name, partitions: None });
        Ok(TopicId((self.topics.len() - 1) as u32))
    }

    fn deliveries(&self) -> &DeliveryReports {
        self.native.safe().client().context()
    }

    fn init_transactions(&self, native: &NativeProducer) -> Result<(), BrokerError> {
        let started = Instant::now();
        loop {
            // A call that timed out is taken up again by the next one.
            let Err(failure) = native.init_transactions(INIT_TURN) else { return Ok(()) };
            if !failure.retriable || failure.fatal {
                return Err(self.classified("init_transactions", &failure));
            }
            let presence = self.metadata.presence();
            if started.elapsed() >= INIT_LIMIT || presence.away().is_some() || presence.check().is_err() {
                return Err(self.described("init_transactions", ErrorKind::Retry, &failure));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Goes on with a new client if the request that ended the last transaction may have been repeated. What comes of it late
    /// would end the next transaction as well: the same producer, and the same epoch. Of an older epoch, brokers take nothing.
    fn renew_if_doubtful(&mut self) -> Result<(), BrokerError> {
        if !self.deliveries().is_disturbed() {
            return Ok(());
        }
        // One that is fenced is not to come back by itself.
        self.check()?;
        tracing::info!(
            id = self.transactional_id,
            "a connection broke at the end of a transaction: going on with a new client"
        );
        let mut next = native(&self.settings, self.transactional_id.as_deref(), &self.metadata)?;
        for topic in &self.topics {
            next.add_topic(&topic.name)?;
        }
        connect(&next);
        // Should this fail, it is done again: the one before is still there, and as doubtful.
        self.init_transactions(&next)?;
        self.native = next;
        self.deliveries().note_ending();
        Ok(())
    }

    fn begin(&mut self) -> Result<(), BrokerError> {
        if self.transactional_id.is_some() && !self.in_transaction {
            self.renew_if_doubtful()?;
            self.native.begin_transaction().map_err(|failure| self.classified("begin_transaction", &failure))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Repeats a call of the transaction while that is allowed, as long as the transaction can last. A call that does
    /// not come to an end by then leaves it open whether the broker did it, and may yet reach it: only a new producer
    /// helps, which the broker lets in once that is settled, and which it does not take the old one's request for.
    fn until_settled(
        &self,
        what: &str,
        call: impl Fn(&NativeProducer, Duration) -> Result<(), TransactionFailure>,
    ) -> Result<(), BrokerError> {
        let deadline = Instant::now() + self.transaction_limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Err(failure) = call(&self.native, left.max(CALL_MIN)) else { return Ok(()) };
            if !failure.retriable || failure.fatal || failure.requires_abort {
                return Err(self.classified(what, &failure));
            }
            // Without one more call: see `CALL_MIN`.
            if Instant::now() >= deadline || self.metadata.presence().check().is_err() {
                return Err(self.described(what, ErrorKind::Fenced, &failure));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn classified(&self, what: &str, failure: &TransactionFailure) -> BrokerError {
        let kind = match failure {
            failure if errors::needs_a_person(failure.code) => ErrorKind::Fatal,
            failure if failure.fatal => ErrorKind::Fenced,
            failure if failure.requires_abort || errors::is_stale_member(failure.code) => ErrorKind::Abort,
            _ => ErrorKind::Fatal,
        };
        self.described(what, kind, failure)
    }

    /// A record that cannot be written fails the transaction, and says more than the transaction does.
    fn by_record(&self, error: BrokerError) -> BrokerError {
        match self.deliveries().check() {
            Err(record) if error.kind != ErrorKind::Fenced => record,
            _ => error,
        }
    }

    fn described(&self, what: &str, kind: ErrorKind, failure: &TransactionFailure) -> BrokerError {
        let id = self.transactional_id.as_deref().unwrap_or_default();
        let error = BrokerError::new(kind, format!("{what} of producer {id}: {}: {}", failure.code, failure.text));
        self.explained(error, failure.code, &failure.text)
    }

    /// Fails if the producer cannot go on, whatever is tried.
    fn check(&self) -> Result<(), BrokerError> {
        let Some((fatal, text)) = self.native.safe().client().fatal_error() else { return Ok(()) };
        let kind = if errors::needs_a_person(fatal) { ErrorKind::Fatal } else { ErrorKind::Fenced };
        let error = BrokerError::new(kind, format!("the producer cannot go on: {fatal}: {text}"));
        Err(self.explained(error, fatal, &text))
    }

    /// With the right that is missing, if that is what the error says. Which topic, librdkafka tells in its text or in a line.
    fn explained(&self, error: BrokerError, code: Code, text: &str) -> BrokerError {
        let named = self.topics.iter().map(|topic| &*topic.name).filter(|name| text.contains(name));
        let named = match code {
            Code::TopicAuthorizationFailed => {
                named.max_by_key(|name| name.len()).map(str::to_owned).or_else(|| self.deliveries().not_added())
            }
            _ => None,
        };
        let needed = match (code, &self.transactional_id) {
            (Code::TopicAuthorizationFailed, _) => Needed::Topic("Write", named.as_deref().unwrap_or("…")),
            (Code::ClusterAuthorizationFailed, _) => Needed::Cluster("IdempotentWrite"),
            (_, Some(id)) => Needed::TransactionalId(id),
            (_, None) => Needed::Topic("Write", "…"),
        };
        self.deliveries().rights().explain(error, Some(code), needed)
    }

    /// Whoever waits must not wait for a producer that cannot go on, nor for a member that has left: so that a process
    /// whose broker is away can end.
    fn check_waiting(&self) -> Result<(), BrokerError> {
        self.check()?;
        self.metadata.presence().check()?;
        self.membership.as_ref().map_or(Ok(()), |member| member.check())
    }

    /// A record that librdkafka did not even queue.
    fn refused(&self, record: &Outgoing<'_>, code: Code) -> BrokerError {
        if let Err(error) = self.check().and_then(|()| self.deliveries().check()) {
            return error;
        }
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + len(value.as_deref())).sum();
        let bytes = len(record.key) + len(record.value) + headers;
        let (topic, partition) = (&*self.topics[record.topic.0 as usize].name, record.partition);
        let max_bytes = self.deliveries().max_bytes();
        let error = Unwritten { topic, partition, bytes, was_taken: false, max_bytes }.error(code);
        self.deliveries().rights().explain(error, Some(code), Needed::Topic("Write", topic))
    }

    /// Whether librdkafka should long have delivered, or given up, what it was given then.
    fn is_overdue(&self, since: Instant) -> bool {
        self.delivery_limit.is_some_and(|limit| since.elapsed() > limit)
    }

    /// Waits until nothing is under way any more.
    fn drain(&self) -> Result<(), BrokerError> {
        let started = Instant::now();
        while !self.native.flush(TURN) {
            self.check_waiting()?;
            if self.is_overdue(started) {
                let message = format!("records are under way for {} s", started.elapsed().as_secs());
                return Err(BrokerError::new(ErrorKind::Abort, message));
            }
        }
        Ok(())
    }

    /// Commits the positions without a transaction.
    fn commit_positions(
        &self,
        member: &Membership,
        positions: &[(TopicPartition, Committed)],
    ) -> Result<(), BrokerError> {
        let list = native_list(positions)?;
        let what = || format!("committing positions ({} and others)", positions[0].0);
        let deadline = Instant::now() + POSITIONS_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Err(code) = commit_positions(&*member.consumer()?, &list, left) else { return Ok(()) };
            if errors::is_stale_member(code) {
                return Err(BrokerError::new(ErrorKind::Abort, format!("{}: {code}", what())));
            }
            if !errors::is_transient(code) || left.is_zero() || self.metadata.presence().check().is_err() {
                return Err(self.explained(errors::of_request(&what(), code), code, ""));
            }
            std::thread::sleep(Duration::from_millis(50).min(left));
        }
    }
}

impl Producer for KafkaProducer {
    fn topic(&mut self, name: &str) -> Result<TopicId, BrokerError> {
        if let Some(index) = self.topics.iter().position(|topic| &*topic.name == name) {
            return Ok(TopicId(index as u32));
        }
        let partitions = self.metadata.partitions(name)?;
        let id = self.add(name.into())?;
        self.topics[id.0 as usize].partitions = Some(partitions);
        Ok(id)
    }

    fn partitions(&mut self, topic: TopicId) -> Result<i32, BrokerError> {
        let topic = &mut self.topics[topic.0 as usize];
        match topic.partitions {
            Some(partitions) => Ok(partitions),
            None => Ok(*topic.partitions.insert(self.metadata.partitions(&topic.name)?)),
        }
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        self.deliveries().check()?;
        // The broker may be set to create a topic that is written to: a wrong name must be an error instead. And librdkafka
        // queues a record for a partition that it has not heard of yet.
        let partitions = self.partitions(record.topic)?;
        if record.partition.is_some_and(|partition| partition >= partitions) {
            return Err(self.refused(&record, Code::UnknownPartition));
        }
        self.begin()?;
        // librdkafka takes 0 for "now".
        let timestamp = if record.timestamp == 0 { 1 } else { record.timestamp };
        let mut full_since = None;
        loop {
            match self.native.produce(record.topic.0 as usize, &record, timestamp) {
                Ok(()) => return Ok(()),
                Err(Code::QueueFull) => {
                    let since = *full_since.get_or_insert_with(Instant::now);
                    self.deliveries().check()?;
                    self.check_waiting()?;
                    if self.is_overdue(since) {
                        return Err(self.refused(&record, Code::QueueFull));
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(code) => return Err(self.refused(&record, code)),
            }
        }
    }

    fn commit(&mut self, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        let member = match (&self.membership, offsets) {
            (_, []) => None,
            (Some(member), _) => Some(member.clone()),
            (None, [(partition, _), ..]) => {
                let message =
                    format!("a producer outside of any group was given the position of {partition}; expected none");
                return Err(BrokerError::new(ErrorKind::Fatal, message));
            }
        };
        if let Some(member) = &member {
            member.check_positions(offsets)?;
        }
        if self.transactional_id.is_none() {
            self.drain()?;
            self.check()?;
            self.deliveries().check()?;
            return member.map_or(Ok(()), |member| self.commit_positions(&member, offsets));
        }
        if let Some(member) = member {
            self.begin()?;
            let list = native_list(offsets)?;
            let member = member.metadata()?;
            self.until_settled("send_offsets_to_transaction", |native, limit| {
                native.send_offsets(&list, &member, limit)
            })
            .map_err(|error| self.by_record(error))?;
        }
        if self.in_transaction {
            self.deliveries().note_ending();
            self.until_settled("commit_transaction", NativeProducer::commit_transaction)
                .map_err(|error| self.by_record(error))?;
            self.in_transaction = false;
        }
        Ok(())
    }

    fn flush(&mut self, limit: Duration) -> Result<bool, BrokerError> {
        let is_done = self.native.flush(limit);
        self.deliveries().check()?;
        Ok(is_done)
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        if self.in_transaction {
            self.deliveries().note_ending();
            self.until_settled("abort_transaction", NativeProducer::abort_transaction)?;
            self.in_transaction = false;
        } else if self.transactional_id.is_none() {
            self.drain()?;
        }
        self.deliveries().clear();
        Ok(())
    }
}

/// Waits for a connection. librdkafka looks for the coordinator of transactions at once, and without a connection only half a
/// second later once more.
pub(crate) fn connect(native: &NativeProducer) {
    // Any topic will do. Where there is no broker, what comes next says so.
    let _ = native.safe().client().fetch_metadata(Some(PROBED_TOPIC), CONNECT_LIMIT);
}

/// A client that has not asked a broker for anything yet.
pub(crate) fn native(
    settings: &KafkaSettings,
    transactional_id: Option<&str>,
    metadata: &MetadataClient,
) -> Result<NativeProducer, BrokerError> {
    let config = settings.producer(transactional_id);
    let presence = metadata.presence().clone();
    let reports = DeliveryReports::new(transactional_id.is_some(), settings, presence, max_bytes(&config));
    let client: BaseProducer<DeliveryReports> =
        config.create_with_context(reports).map_err(|error| errors::of_client("a producer", &error))?;
    NativeProducer::new(client)
}

/// The largest record that the producer takes, by its settings.
fn max_bytes(config: &ClientConfig) -> u64 {
    config.get("message.max.bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or(1_000_000)
}

fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// When librdkafka gives a record up, by `message.timeout.ms` as it derives it; none for "never".
fn delivery_limit(config: &ClientConfig) -> Option<Duration> {
    let limit = milliseconds(config, &["message.timeout.ms", "transaction.timeout.ms"], 300_000);
    (!limit.is_zero()).then(|| limit + SLACK)
}

/// The first of these properties that is set, or else librdkafka's default.
fn milliseconds(config: &ClientConfig, names: &[&str], default: u64) -> Duration {
    let set = names.iter().find_map(|name| config.get(name)).and_then(|ms| ms.parse().ok());
    Duration::from_millis(set.unwrap_or(default))
}

fn native_list(positions: &[(TopicPartition, Committed)]) -> Result<TopicPartitionList, BrokerError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, committed) in positions {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element
            .set_offset(Offset::Offset(committed.offset))
            .map_err(|error| errors::of_client(&format!("position {} of {partition}", committed.offset), &error))?;
        if !committed.metadata.is_empty() {
            element.set_metadata(&committed.metadata);
        }
    }
    Ok(list)
}
