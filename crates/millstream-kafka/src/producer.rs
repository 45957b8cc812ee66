use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{BrokerError, Committed, ErrorKind, Outgoing, Producer, TopicId, TopicPartition};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{Producer as NativeCalls, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::context::DeliveryReports;
use crate::errors;
use crate::member::Membership;
use crate::metadata::MetadataClient;
use crate::native::{NativeProducer, TransactionFailure};
use crate::settings::KafkaSettings;

/// How long a call of a transaction is repeated while the broker says that it may go through later.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);

/// How long the positions are sent again when they are committed without a transaction.
const OFFSETS_LIMIT: Duration = Duration::from_secs(10);

/// One request of a transaction.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// A topic that records are written to.
struct OutTopic {
    name: Arc<str>,
    /// How many partitions it has, once the broker was asked.
    partitions: Option<i32>,
}

/// Writes records, and commits for the member that made it.
pub(crate) struct KafkaProducer {
    native: NativeProducer,
    transactional_id: Option<String>,
    in_transaction: bool,
    topics: Vec<OutTopic>,
    metadata: Arc<MetadataClient>,
    /// For whom positions are committed; none outside of a group.
    membership: Option<Arc<Membership>>,
    /// By then, librdkafka has delivered a record or given it up.
    delivery_limit: Duration,
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
        let native: ThreadedProducer<DeliveryReports> = config
            .create_with_context(DeliveryReports::new())
            .map_err(|error| errors::of_client("a producer", &error))?;
        let mut producer = KafkaProducer {
            native: NativeProducer::new(native),
            transactional_id: transactional_id.map(str::to_owned),
            in_transaction: false,
            topics: Vec::with_capacity(topics.len()),
            metadata,
            membership,
            delivery_limit: delivery_limit(&config) + Duration::from_secs(5),
        };
        for topic in topics {
            producer.add(topic.clone())?;
        }
        if transactional_id.is_some() {
            producer.init_transactions()?;
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

    fn init_transactions(&self) -> Result<(), BrokerError> {
        let started = Instant::now();
        loop {
            let Err(failure) = safely(self.native.safe().init_transactions(REQUEST_LIMIT)) else { return Ok(()) };
            if failure.retriable && !failure.fatal {
                if started.elapsed() < TRANSACTION_LIMIT {
                    continue;
                }
                return Err(self.described("init_transactions", ErrorKind::Retry, &failure));
            }
            return Err(self.classified("init_transactions", &failure));
        }
    }

    fn begin(&mut self) -> Result<(), BrokerError> {
        if self.transactional_id.is_some() && !self.in_transaction {
            safely(self.native.safe().begin_transaction()).map_err(|e| self.classified("begin_transaction", &e))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// Repeats a call of the transaction while that is allowed. A call that never comes to an end leaves it open
    /// whether the broker did it: then only a new producer helps, which the broker lets in once that is settled.
    fn until_settled(
        &self,
        what: &str,
        call: impl Fn(&NativeProducer) -> Result<(), TransactionFailure>,
    ) -> Result<(), BrokerError> {
        let started = Instant::now();
        loop {
            let Err(failure) = call(&self.native) else { return Ok(()) };
            if failure.retriable && !failure.fatal && !failure.requires_abort {
                if started.elapsed() < TRANSACTION_LIMIT {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                return Err(self.described(what, ErrorKind::Fenced, &failure));
            }
            return Err(self.classified(what, &failure));
        }
    }

    fn classified(&self, what: &str, failure: &TransactionFailure) -> BrokerError {
        // A record that cannot be written fails the transaction, and says more than the transaction does.
        if let Err(record) = self.deliveries().check()
            && !failure.fatal
        {
            return record;
        }
        let kind = match failure {
            failure if errors::needs_a_person(failure.code) => ErrorKind::Fatal,
            failure if failure.fatal => ErrorKind::Fenced,
            failure if failure.requires_abort || errors::is_stale_member(failure.code) => ErrorKind::Abort,
            _ => ErrorKind::Fatal,
        };
        self.described(what, kind, failure)
    }

    fn described(&self, what: &str, kind: ErrorKind, failure: &TransactionFailure) -> BrokerError {
        let id = self.transactional_id.as_deref().unwrap_or_default();
        BrokerError::new(kind, format!("{what} of producer {id}: {}: {}", failure.code, failure.text))
    }

    /// A record that librdkafka did not even queue.
    fn refused(&self, record: &Outgoing<'_>, code: Code) -> BrokerError {
        if let Err(earlier) = self.deliveries().check() {
            return earlier;
        }
        if let Some((fatal, text)) = self.native.safe().client().fatal_error() {
            let kind = if errors::needs_a_person(fatal) { ErrorKind::Fatal } else { ErrorKind::Fenced };
            return BrokerError::new(kind, format!("the producer cannot go on: {fatal}: {text}"));
        }
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + len(value.as_deref())).sum();
        let bytes = len(record.key) + len(record.value) + headers;
        errors::of_record(&self.topics[record.topic.0 as usize].name, record.partition, bytes, code)
    }

    /// Waits until nothing is under way any more.
    fn drain(&self) -> Result<(), BrokerError> {
        let started = Instant::now();
        while !self.native.flush(Duration::from_secs(1)) {
            if let Some((fatal, text)) = self.native.safe().client().fatal_error() {
                return Err(BrokerError::new(ErrorKind::Fenced, format!("the producer cannot go on: {fatal}: {text}")));
            }
            if started.elapsed() > self.delivery_limit {
                let message = format!("records are under way for {} s", started.elapsed().as_secs());
                return Err(BrokerError::new(ErrorKind::Abort, message));
            }
        }
        Ok(())
    }

    /// Commits the positions without a transaction.
    fn commit_offsets(&self, member: &Membership, offsets: &[(TopicPartition, Committed)]) -> Result<(), BrokerError> {
        let list = committed_list(offsets)?;
        let started = Instant::now();
        loop {
            let Err(error) = member.consumer()?.commit(&list, CommitMode::Sync) else { return Ok(()) };
            let code = errors::code_of(&error).unwrap_or(Code::Fail);
            let what = format!("committing positions ({} and others)", offsets[0].0);
            if errors::is_stale_member(code) {
                return Err(BrokerError::new(ErrorKind::Abort, format!("{what}: {code}")));
            }
            if !errors::is_transient(code) || started.elapsed() >= OFFSETS_LIMIT {
                return Err(errors::of_request(&what, code));
            }
            std::thread::sleep(Duration::from_millis(50));
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
        // The broker may be set to create a topic that is written to: a wrong name must be an error instead.
        self.partitions(record.topic)?;
        self.begin()?;
        // librdkafka takes 0 for "now".
        let timestamp = if record.timestamp == 0 { 1 } else { record.timestamp };
        let mut full_since = None;
        loop {
            match self.native.produce(record.topic.0 as usize, &record, timestamp) {
                Ok(()) => return Ok(()),
                Err(Code::QueueFull) => {
                    let since = *full_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.delivery_limit {
                        return Err(self.refused(&record, Code::QueueFull));
                    }
                    self.deliveries().check()?;
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
        if self.transactional_id.is_none() {
            self.drain()?;
            self.deliveries().check()?;
            return member.map_or(Ok(()), |member| self.commit_offsets(&member, offsets));
        }
        if let Some(member) = member {
            self.begin()?;
            let list = committed_list(offsets)?;
            let member = member.metadata()?;
            self.until_settled("send_offsets_to_transaction", |producer| {
                safely(producer.safe().send_offsets_to_transaction(&list, &member, REQUEST_LIMIT))
            })?;
        }
        if self.in_transaction {
            self.until_settled("commit_transaction", NativeProducer::commit_transaction)?;
            self.in_transaction = false;
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), BrokerError> {
        if self.in_transaction {
            self.until_settled("abort_transaction", NativeProducer::abort_transaction)?;
            self.in_transaction = false;
        } else if self.transactional_id.is_none() {
            self.drain()?;
        }
        self.deliveries().clear();
        Ok(())
    }
}

fn len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// `message.timeout.ms`, as librdkafka derives it.
fn delivery_limit(config: &ClientConfig) -> Duration {
    let names = ["message.timeout.ms", "delivery.timeout.ms", "transaction.timeout.ms"];
    let ms = names.iter().find_map(|name| config.get(name)).and_then(|ms| ms.parse().ok());
    Duration::from_millis(ms.unwrap_or(300_000))
}

fn committed_list(offsets: &[(TopicPartition, Committed)]) -> Result<TopicPartitionList, BrokerError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, committed) in offsets {
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

/// The outcome of a transactional call of rust-rdkafka's.
fn safely(result: Result<(), KafkaError>) -> Result<(), TransactionFailure> {
    result.map_err(|error| match error {
        KafkaError::Transaction(error) => TransactionFailure {
            code: error.code(),
            text: error.string(),
            fatal: error.is_fatal(),
            retriable: error.is_retriable(),
            requires_abort: error.txn_requires_abort(),
        },
        other => TransactionFailure {
            code: errors::code_of(&other).unwrap_or(Code::Fail),
            text: other.to_string(),
            fatal: false,
            retriable: false,
            requires_abort: false,
        },
    })
}
