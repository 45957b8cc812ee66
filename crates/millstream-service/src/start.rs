//! From settings to a broker that has all topics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::broker::{Broker, BrokerError, ErrorKind};
use millstream::topology::Plan;
use millstream::worker::{Application, StartError};
use millstream_formats::registry::Registry;
use millstream_kafka::KafkaBroker;

use crate::error::Error;
use crate::settings::Settings;

/// How often waiting for a broker is told.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long after a question that the broker could not answer it is asked again.
const ASKED_AGAIN: Duration = Duration::from_millis(500);

/// A Kafka cluster, once it answers.
pub(crate) fn connect(settings: &Settings, bootstrap_servers: &str) -> Result<Arc<dyn Broker>, Error> {
    let broker = KafkaBroker::new(settings.kafka(bootstrap_servers)).map_err(|error| match error.kind {
        ErrorKind::Fatal => Error::Properties(as_in_settings(&error.message)),
        _ => Error::Start(error),
    })?;
    let limit = Duration::from_millis(settings.broker_wait_ms);
    let mut told_next = Duration::ZERO;
    broker
        .wait_until_up(limit, &mut |waited| {
            if waited >= told_next {
                tracing::info!(
                    "waiting for a Kafka broker at {bootstrap_servers}: {} of {} s",
                    waited.as_secs(),
                    limit.as_secs()
                );
                told_next = waited + TOLD_EVERY;
            }
        })
        .map_err(Error::Start)?;
    Ok(Arc::new(broker))
}

/// The message with the names of our settings for the sections of properties, instead of the Kafka client's.
fn as_in_settings(message: &str) -> String {
    let sections = [
        ("properties:", "kafka.properties:"),
        ("consumer_properties:", "kafka.consumer:"),
        ("producer_properties:", "kafka.producer:"),
        ("restore_properties:", "kafka.restore:"),
    ];
    let renamed =
        sections.iter().find_map(|(theirs, ours)| message.strip_prefix(theirs).map(|rest| format!("{ours}{rest}")));
    renamed.unwrap_or_else(|| format!("kafka: {message}"))
}

/// The plan of internal topics.
pub(crate) fn plan(application: &Application, broker: &dyn Broker, wait: Duration) -> Result<Plan, Error> {
    asked("the topology's topics", wait, || application.plan(broker))
}

/// Creates the internal topics that are missing.
pub(crate) fn create_internal(
    application: &Application,
    broker: &dyn Broker,
    plan: &Plan,
    wait: Duration,
) -> Result<(), Error> {
    for topic in plan.topics.iter().filter(|topic| !topic.exists).map(|topic| &topic.topic) {
        let cleanup_policy = topic.cleanup_policy.as_str();
        tracing::info!(topic = topic.name, partitions = topic.partitions, cleanup_policy, "creating internal topic");
    }
    asked("the internal topics", wait, || application.create_topics(broker, plan).map_err(StartError::from))
}

/// Waits until the schema registry answers.
pub(crate) fn wait_for_registry(registry: &Registry, wait: Duration) -> Result<(), Error> {
    let answered = registry.wait_until_up(wait);
    answered.map_err(|error| Error::Start(BrokerError::new(ErrorKind::Fatal, format!("registry.url: {error}"))))
}

/// Asks the serdes of all sinks and changelogs whether they can write: a schema registry may say no.
pub(crate) fn check_writable(application: &Application, wait: Duration) -> Result<(), Error> {
    asked("whether sinks and changelogs can be written", wait, || application.check_writable())
}

/// Asks until there is an answer: a cluster that comes up refuses some questions for a while.
fn asked<T, E: Into<StartError>>(
    what: &str,
    wait: Duration,
    mut ask: impl FnMut() -> Result<T, E>,
) -> Result<T, Error> {
    let start = Instant::now();
    let mut told_next = Duration::ZERO;
    loop {
        match ask().map_err(Into::into) {
            Ok(answer) => return Ok(answer),
            Err(StartError::Topology(error)) => return Err(Error::Topology(error)),
            Err(StartError::Broker(error)) if error.kind != ErrorKind::Retry => return Err(Error::Start(error)),
            Err(StartError::Broker(error)) => {
                let waited = start.elapsed();
                if waited >= wait {
                    let message = format!("{what}: no answer within {} s: {error}", wait.as_secs());
                    return Err(Error::Start(BrokerError::new(ErrorKind::Fatal, message)));
                }
                if waited >= told_next {
                    tracing::info!(%error, "waiting for an answer, {} of {} s", waited.as_secs(), wait.as_secs());
                    told_next = waited + TOLD_EVERY;
                }
                std::thread::sleep(ASKED_AGAIN);
            }
        }
    }
}
