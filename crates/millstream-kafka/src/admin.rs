use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use millstream::broker::{BrokerError, CleanupPolicy, ErrorKind, NewTopic, TopicDescription, TopicPartition};
use rdkafka::admin::{
    AdminClient as NativeAdmin, AdminOptions, NewTopic as NativeTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::context::{Reports, now_ms};
use crate::errors;
use crate::metadata::{self, MetadataClient};
use crate::native::set_token;
use crate::oauth::Tokens;
use crate::rights::{Needed, Rights};
use crate::settings::KafkaSettings;

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// How long it may take until every partition of a new topic has a leader.
const LEADERS_LIMIT: Duration = Duration::from_secs(30);

/// When a token is asked for again that was not to be had, in ms.
const TOKEN_RETRY_MS: i64 = 1_000;

type Deletion = Pin<Box<dyn Future<Output = KafkaResult<TopicPartitionList>> + Send>>;

/// Creates and describes topics, and deletes records.
pub(crate) struct AdminClient {
    native: NativeAdmin<Reports>,
    metadata: Arc<MetadataClient>,
    /// Requests to delete records that were not answered when they were last looked at.
    deletions: Mutex<Vec<Deletion>>,
    tokens: Tokens,
    /// When the token is to be renewed, in ms since 1970.
    renewal: AtomicI64,
    rights: Rights,
}

impl AdminClient {
    pub(crate) fn new(settings: &KafkaSettings, metadata: Arc<MetadataClient>) -> Result<Self, BrokerError> {
        let native = settings
            .admin()
            .create_with_context(Reports::new("admin", settings, metadata.presence().clone()))
            .map_err(|error| errors::of_client("a client for topics", &error))?;
        let (tokens, rights) = (settings.tokens(), settings.rights());
        let deletions = Mutex::new(Vec::new());
        let client = AdminClient { native, metadata, deletions, tokens, renewal: AtomicI64::new(0), rights };
        client.renew_token();
        Ok(client)
    }

    /// Gives the client a new token when most of the old one's life is over: rust-rdkafka never takes the question for
    /// one out of this client's queue. To be called about once a second.
    pub(crate) fn renew_token(&self) {
        let now = now_ms();
        if self.tokens == Tokens::None || now < self.renewal.load(Ordering::Relaxed) {
            return;
        }
        let given = self.tokens.token(now).and_then(|token| {
            set_token(self.native.inner(), &token)?;
            Ok(now + (token.lifetime_ms - now) / 5 * 4)
        });
        let renewal = given.unwrap_or_else(|error| {
            tracing::warn!("the client for topics has no new token: {error}");
            now + TOKEN_RETRY_MS
        });
        self.renewal.store(renewal, Ordering::Relaxed);
    }

    /// What each topic is like, in their order.
    pub(crate) fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        let mut partitions = Vec::with_capacity(topics.len());
        for topic in topics {
            partitions.push(match self.metadata.topic(topic)? {
                Some(state) if state.partitions == 0 => return Err(metadata::no_leader(topic)),
                state => state.map(|state| state.partitions),
            });
        }
        let existing = topics.iter().zip(&partitions).filter(|(_, partitions)| partitions.is_some());
        let resources: Vec<_> = existing.map(|(topic, _)| ResourceSpecifier::Topic(topic)).collect();
        let mut policies = self.cleanup_policies(&resources)?;
        topics
            .iter()
            .zip(partitions)
            .map(|(topic, partitions)| {
                let Some(partitions) = partitions else { return Ok(None) };
                let position = policies.iter().position(|(name, _)| name == topic);
                let (name, cleanup_policy) = position.map(|index| policies.swap_remove(index)).ok_or_else(|| {
                    BrokerError::new(ErrorKind::Retry, format!("the broker left topic {topic} out of its answer"))
                })?;
                Ok(Some(TopicDescription { name, partitions, cleanup_policy }))
            })
            .collect()
    }

    fn cleanup_policies(&self, topics: &[ResourceSpecifier<'_>]) -> Result<Vec<(String, CleanupPolicy)>, BrokerError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let what = "settings of topics";
        let answer = wait_for(self.native.describe_configs(topics, &options()));
        let mut policies = Vec::with_capacity(topics.len());
        for resource in answer.map_err(|error| errors::of_client(what, &error))? {
            let resource = resource.map_err(|code| errors::of_request(what, code))?;
            let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { continue };
            if resource.entries.is_empty() {
                // rust-rdkafka leaves a topic's own error out; no other gives a topic without settings.
                let code = Code::TopicAuthorizationFailed;
                let error = errors::of_request(&format!("{what}: {name}"), code);
                return Err(self.rights.explain(error, Some(code), Needed::Topic("DescribeConfigs", name)));
            }
            let text = resource.get("cleanup.policy").and_then(|entry| entry.value.clone()).unwrap_or_default();
            let policy = CleanupPolicy::parse(&text).ok_or_else(|| {
                let message = format!("topic {name} has cleanup.policy={text:?}; expected delete, compact or both");
                BrokerError::new(ErrorKind::Fatal, message)
            })?;
            policies.push((name.clone(), policy));
        }
        Ok(policies)
    }

    /// Creates the topics that do not exist, and waits until they can be written to.
    pub(crate) fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        if topics.is_empty() {
            return Ok(());
        }
        let native: Vec<_> = topics.iter().map(native_topic).collect();
        let answer = wait_for(self.native.create_topics(&native, &options().operation_timeout(Some(REQUEST_LIMIT))));
        for outcome in answer.map_err(|error| errors::of_client("creating topics", &error))? {
            match outcome {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    let error = errors::of_request(&format!("creating topic {name}"), code);
                    return Err(self.rights.explain(error, Some(code), Needed::Topic("Create", &name)));
                }
            }
        }
        let deadline = Instant::now() + LEADERS_LIMIT;
        for topic in topics {
            while !self.metadata.topic(&topic.name)?.is_some_and(|state| state.led && state.partitions > 0) {
                if Instant::now() >= deadline {
                    let seconds = LEADERS_LIMIT.as_secs();
                    let message = format!("topic {} was created, but has no leaders after {seconds} s", topic.name);
                    return Err(BrokerError::new(ErrorKind::Retry, message));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// Asks for records to be deleted, and does not wait: a failure is logged by the next call, and what is left is
    /// deleted by that.
    pub(crate) fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        let mut deletions = self.deletions.lock().unwrap();
        deletions.retain_mut(|deletion| match deletion.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                self.log_deletion(answer);
                false
            }
        });
        if before.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(before.len());
        for (partition, offset) in before {
            list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*offset))
                .map_err(|error| errors::of_client(&format!("deleting records of {partition}"), &error))?;
        }
        deletions.push(Box::pin(self.native.delete_records(&list, &options())));
        Ok(())
    }

    fn log_deletion(&self, answer: KafkaResult<TopicPartitionList>) {
        match answer {
            Err(error) => tracing::warn!("records were not deleted: {error}"),
            Ok(list) => {
                for element in list.elements() {
                    let Err(error) = element.error() else { continue };
                    let (topic, partition) = (element.topic(), element.partition());
                    let needed = Needed::Topic("Delete", topic);
                    let missing = errors::code_of(&error).and_then(|code| self.rights.missing(code, needed));
                    let missing = missing.map(|missing| format!("; {missing}")).unwrap_or_default();
                    tracing::warn!("records of {topic}[{partition}] were not deleted: {error}{missing}");
                }
            }
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_LIMIT))
}

fn native_topic(topic: &NewTopic) -> NativeTopic<'_> {
    // -1 leaves the number to the broker.
    let replication = TopicReplication::Fixed(topic.replication_factor.unwrap_or(-1));
    let native = NativeTopic::new(&topic.name, topic.partitions, replication);
    let native = native.set("cleanup.policy", topic.cleanup_policy.as_str());
    topic.config.iter().fold(native, |native, (name, value)| native.set(name, value))
}

/// Wakes the thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for the answer: rust-rdkafka gives admin calls as futures only, which its own thread completes.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}
