//! What librdkafka reports by itself: log lines, errors, rebalances, failed deliveries.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream::broker::{BrokerError, GroupEvent, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Headers, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};

use crate::errors::{self, Unwritten};
use crate::native::GroupMetadata;
use crate::oauth::Tokens;
use crate::presence::Presence;
use crate::refusal::{Refusal, refusal};
use crate::rights::{Needed, Rights};
use crate::settings::KafkaSettings;

/// A consumer of this crate.
pub(crate) type KafkaConsumer = BaseConsumer<ConsumerReports>;

/// The same error of a client is logged as a warning once in this time.
const REPEATED_ERROR: Duration = Duration::from_secs(10);

/// How long a line of librdkafka may come after the error that it explains.
const LINE_LIMIT: Duration = Duration::from_millis(500);

/// The role of a client that asks one question.
const PROBE: &str = "probe";

/// Log lines and errors of one client, told to `tracing`.
pub(crate) struct Reports {
    role: &'static str,
    tokens: Tokens,
    rights: Rights,
    presence: Presence,
    last: Mutex<Option<(String, Instant)>>,
    /// The last error that waiting does not change.
    refusal: Mutex<Option<(Refusal, String)>>,
}

impl Reports {
    pub(crate) fn new(role: &'static str, settings: &KafkaSettings, presence: Presence) -> Self {
        let (tokens, rights) = (settings.tokens(), settings.rights());
        Reports { role, tokens, rights, presence, last: Mutex::new(None), refusal: Mutex::new(None) }
    }

    fn line(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let role = self.role;
        // librdkafka reports no error when a broker hangs up.
        self.note_refusal(line, line);
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::error!(target: "librdkafka", role, facility, "{line}");
            }
            RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", role, facility, "{line}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", role, facility, "{line}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", role, facility, "{line}"),
        }
    }

    /// An error that librdkafka goes on after: it reconnects and asks again by itself.
    fn error(&self, error: &KafkaError, reason: &str) {
        let text = format!("{error}: {reason}");
        self.note_refusal(&text, reason);
        self.presence.reported(errors::code_of(error), reason);
        let mut last = self.last.lock().unwrap();
        let repeated = last.as_ref().is_some_and(|(said, when)| *said == text && when.elapsed() < REPEATED_ERROR);
        if repeated || self.role == PROBE {
            tracing::debug!(target: "librdkafka", role = self.role, "{text}");
        } else {
            tracing::warn!(target: "librdkafka", role = self.role, "{text}");
        }
        if !repeated {
            *last = Some((text, Instant::now()));
        }
    }

    fn note_refusal(&self, text: &str, reason: &str) {
        if let Some(refusal) = refusal(text) {
            *self.refusal.lock().unwrap() = Some((refusal, reason.to_owned()));
        }
    }

    fn token(&self) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        let token = self.tokens.token(now_ms());
        if let Err(error) = &token {
            tracing::warn!(target: "librdkafka", role = self.role, "{error}");
        }
        Ok(token?)
    }

    /// The last error, in words.
    fn last(&self) -> String {
        self.last.lock().unwrap().as_ref().map(|(text, _)| text.clone()).unwrap_or_default()
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl ClientContext for Reports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Reports::error(self, &error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        tracing::debug!(target: "librdkafka", role = self.role, "{}", String::from_utf8_lossy(statistics));
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.token()
    }
}

/// Notes the rebalances of a consumer, which its member answers later, outside of the callback.
pub(crate) struct ConsumerReports {
    reports: Reports,
    incremental: bool,
    noted: Mutex<VecDeque<GroupEvent>>,
    closing: AtomicBool,
    /// A heartbeat of the consumer protocol was not answered in time.
    unanswered_heartbeat: AtomicBool,
}

impl ConsumerReports {
    /// With `incremental`, rebalances are answered by what changes, else by the whole.
    pub(crate) fn new(role: &'static str, incremental: bool, settings: &KafkaSettings, presence: Presence) -> Self {
        ConsumerReports {
            reports: Reports::new(role, settings, presence),
            incremental,
            noted: Mutex::new(VecDeque::new()),
            closing: AtomicBool::new(false),
            unanswered_heartbeat: AtomicBool::new(false),
        }
    }

    /// The oldest rebalance that was noted.
    pub(crate) fn next_event(&self) -> Option<GroupEvent> {
        self.noted.lock().unwrap().pop_front()
    }

    /// Whether a heartbeat of the consumer protocol was not answered in time since this was asked last.
    pub(crate) fn take_unanswered_heartbeat(&self) -> bool {
        self.unanswered_heartbeat.swap(false, Ordering::SeqCst)
    }

    /// Whether a rebalance was noted that nobody has taken.
    pub(crate) fn has_event(&self) -> bool {
        !self.noted.lock().unwrap().is_empty()
    }

    /// From now on rebalances are answered at once: nobody is there any more to do it.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// For a client that asks one question: its errors are no warnings.
    pub(crate) fn probe() -> Self {
        ConsumerReports::new(PROBE, true, &KafkaSettings::new("", ""), Presence::default())
    }

    /// What the client's principal may do is told by this.
    pub(crate) fn rights(&self) -> &Rights {
        &self.reports.rights
    }

    /// The last error that waiting does not change, with librdkafka's words.
    pub(crate) fn refusal(&self) -> Option<(Refusal, String)> {
        self.reports.refusal.lock().unwrap().clone()
    }

    /// The last error that the client reported, in words.
    pub(crate) fn last_error(&self) -> String {
        self.reports.last()
    }

    /// Answers a rebalance of a consumer that is about to be dropped.
    pub(crate) fn answer(&self, consumer: &KafkaConsumer, assigned: bool, list: &TopicPartitionList) {
        let answer = match (assigned, self.incremental) {
            (true, true) => consumer.incremental_assign(list),
            (true, false) => consumer.assign(list),
            (false, true) => consumer.incremental_unassign(list).or_else(|_| consumer.unassign()),
            (false, false) => consumer.unassign(),
        };
        if let Err(error) = answer {
            tracing::warn!("the last rebalance of a consumer that leaves was not answered: {error}");
        }
    }
}

impl ClientContext for ConsumerReports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if is_unanswered_heartbeat(facility, line) {
            self.unanswered_heartbeat.store(true, Ordering::SeqCst);
        }
        self.reports.line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.reports.stats_raw(statistics);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.reports.token()
    }
}

impl ConsumerContext for ConsumerReports {
    fn rebalance(&self, consumer: &KafkaConsumer, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::SeqCst) {
            return self.answer(consumer, assigned, list);
        }
        let partitions: Vec<_> =
            list.elements().iter().map(|element| TopicPartition::new(element.topic(), element.partition())).collect();
        let event = if assigned {
            GroupEvent::Assigned(partitions)
        } else if consumer.assignment_lost() || !is_a_member(consumer) {
            GroupEvent::Lost(partitions)
        } else {
            GroupEvent::Revoked(partitions)
        };
        self.noted.lock().unwrap().push_back(event);
    }
}

/// Whether librdkafka says in this line that it gave up waiting for the answer to a heartbeat; no error says it.
fn is_unanswered_heartbeat(facility: &str, line: &str) -> bool {
    facility == "REQTMOUT" && line.contains("ConsumerGroupHeartbeatRequest")
}

/// A member that is thrown out while a rebalance is under way is not told of a loss, but its id is blank by then.
fn is_a_member(consumer: &KafkaConsumer) -> bool {
    GroupMetadata::of(consumer).is_some_and(|metadata| metadata.is_of_a_member())
}

/// Keeps the first record of a producer that was not delivered.
pub(crate) struct DeliveryReports {
    reports: Reports,
    transactional: bool,
    /// The largest record that the producer takes.
    max_bytes: u64,
    failed: AtomicBool,
    first: Mutex<Option<BrokerError>>,
    /// The last topic that the broker did not let into a transaction.
    not_added: Mutex<Option<String>>,
    /// Whether something was reported since the end of a transaction was asked for last.
    disturbed: AtomicBool,
}

/// Whether such a line of librdkafka says that a connection is over, or that an answer did not come: requests are repeated then.
/// Often no error says it.
fn may_repeat_requests(facility: &str) -> bool {
    matches!(facility, "FAIL" | "REQTMOUT")
}

/// The topic in a line of librdkafka that says it is no part of the transaction: no error names it.
fn topic_not_added(line: &str) -> Option<&str> {
    line.split("Failed to add partition \"").nth(1)?.split('"').next()
}

impl DeliveryReports {
    pub(crate) fn new(transactional: bool, settings: &KafkaSettings, presence: Presence, max_bytes: u64) -> Self {
        let (failed, first) = (AtomicBool::new(false), Mutex::new(None));
        let reports = Reports::new("producer", settings, presence);
        DeliveryReports {
            reports,
            transactional,
            max_bytes,
            failed,
            first,
            not_added: Mutex::new(None),
            disturbed: AtomicBool::new(false),
        }
    }

    /// What the client's principal may do is told by this.
    pub(crate) fn rights(&self) -> &Rights {
        &self.reports.rights
    }

    /// The largest record that the producer takes, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The last topic that the broker did not let into a transaction. The line that says so may come after the error.
    pub(crate) fn not_added(&self) -> Option<String> {
        let end = Instant::now() + LINE_LIMIT;
        while self.not_added.lock().unwrap().is_none() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.not_added.lock().unwrap().clone()
    }

    /// The end of a transaction is asked for now.
    pub(crate) fn note_ending(&self) {
        self.disturbed.store(false, Ordering::Release);
    }

    /// Whether an error was reported since then, such as a connection that broke: the request may have been repeated.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Acquire)
    }

    /// Fails if a record was not delivered since the last [`DeliveryReports::clear`].
    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.first.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    /// Begins anew.
    pub(crate) fn clear(&self) {
        *self.first.lock().unwrap() = None;
        self.failed.store(false, Ordering::Release);
    }
}

impl ClientContext for DeliveryReports {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        if let Some(topic) = topic_not_added(line) {
            *self.not_added.lock().unwrap() = Some(topic.to_owned());
        }
        if may_repeat_requests(facility) {
            self.disturbed.store(true, Ordering::Release);
        }
        self.reports.line(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.disturbed.store(true, Ordering::Release);
        self.reports.error(&error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.reports.stats_raw(statistics);
    }

    fn generate_oauth_token(&self, _config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.reports.token()
    }
}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, record)) = result else { return };
        let code = errors::code_of(error).unwrap_or(RDKafkaErrorCode::Fail);
        // A transaction that fails, or is aborted, throws away what it finds in the queue: that is no failure of its own.
        // Without a transaction it is: librdkafka does it when the producer cannot go on.
        if self.transactional && matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            return;
        }
        let bytes = record.payload_len() + record.key_len();
        let headers = record.headers().map_or(0, |headers| {
            headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
        });
        let (topic, partition, bytes) = (record.topic(), Some(record.partition()), bytes + headers);
        let failure = Unwritten { topic, partition, bytes, was_taken: true, max_bytes: self.max_bytes }.error(code);
        let failure = self.rights().explain(failure, Some(code), Needed::Topic("Write", topic));
        self.first.lock().unwrap().get_or_insert(failure);
        self.failed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{is_unanswered_heartbeat, topic_not_added};

    #[test]
    fn an_unanswered_heartbeat_is_read_from_the_line() {
        let line = "[thrd:GroupCoordinator]: GroupCoordinator/2: Timed out ConsumerGroupHeartbeatRequest in flight (after 1000ms, timeout #0)";
        assert!(is_unanswered_heartbeat("REQTMOUT", line));
        assert!(!is_unanswered_heartbeat("REQTMOUT", "[thrd:x]: x/2: Timed out FetchRequest in flight (after 1 ms)"));
        assert!(!is_unanswered_heartbeat("FAIL", line));
    }

    #[test]
    fn the_topic_is_read_from_the_line() {
        let line = "[thrd:x]: TxnCoordinator/1: Failed to add partition \"orders\" [0] to transaction: Broker: Topic";
        assert_eq!(topic_not_added(line), Some("orders"));
        assert_eq!(topic_not_added("[thrd:x]: Failed to acquire idempotence PID"), None);
    }
}
