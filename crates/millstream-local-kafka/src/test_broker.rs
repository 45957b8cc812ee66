//! Which brokers a test runs against, and which schema registry.

use std::env;
use std::io::{self, Write};
use std::sync::OnceLock;

use crate::errors::LocalKafkaError;
use crate::install::{is_available, is_registry_available};
use crate::local_kafka::LocalKafka;
use crate::local_registry::LocalRegistry;

const VARIABLE: &str = "MILLSTREAM_TEST_BROKER";

/// A broker that a test runs against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestBroker {
    /// The broker in memory.
    Embedded,
    /// A real Kafka at this `host:port`.
    Kafka(String),
}

/// What `MILLSTREAM_TEST_BROKER` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// `embedded`: the embedded broker alone.
    Embedded,
    /// `kafka`: a Kafka that is started, or a failure.
    Kafka,
    /// `host:port`: that Kafka.
    Address(String),
    /// Unset: the embedded broker, and a Kafka that is started where one can be.
    All,
}

/// The brokers that a suite runs against, decided once for this process by `MILLSTREAM_TEST_BROKER`:
///
/// | value | brokers, beside the embedded one |
/// |---|---|
/// | unset | a Kafka that is started; without Java or Maven one line on stderr says that the suite runs on the embedded broker alone, and why |
/// | `embedded` | none |
/// | `kafka` | a Kafka that is started |
/// | `host:port` | that Kafka |
///
/// A Kafka that is started serves the whole process and ends with it.
///
/// # Panics
///
/// With another value, and when a Kafka that should run does not start.
pub fn test_brokers() -> Vec<TestBroker> {
    static BROKERS: OnceLock<Result<Vec<TestBroker>, String>> = OnceLock::new();
    match BROKERS.get_or_init(decide) {
        Ok(brokers) => brokers.clone(),
        Err(message) => panic!("{message}"),
    }
}

/// The broker for a test that runs once: of [`test_brokers`] the Kafka if there is one, else the embedded one.
///
/// # Panics
///
/// As [`test_brokers`].
pub fn test_broker() -> TestBroker {
    test_brokers().pop().unwrap_or(TestBroker::Embedded)
}

/// The URL of the schema registry for tests, decided once for this process: one that is started, serves the whole process and
/// ends with it. There is none where `MILLSTREAM_TEST_BROKER` is `embedded`, nor where it is not `kafka` and Java or Maven are
/// missing; a line on stderr says so.
///
/// # Panics
///
/// When a registry that should run does not start, and with a value that is none.
pub fn test_registry() -> Option<String> {
    static URL: OnceLock<Result<Option<String>, String>> = OnceLock::new();
    match URL.get_or_init(decide_registry) {
        Ok(url) => url.clone(),
        Err(message) => panic!("{message}"),
    }
}

fn decide_registry() -> Result<Option<String>, String> {
    let missing = match variable().map_err(|error| error.to_string())? {
        Choice::Embedded => Some(format!("{VARIABLE} is embedded")),
        Choice::Kafka => None,
        Choice::Address(_) | Choice::All => is_registry_available().err().map(|missing| missing.to_string()),
    };
    if let Some(missing) = missing {
        let line = format!("what needs a schema registry is not run: {missing}");
        writeln!(io::stderr(), "{line}").map_err(|error| format!("{line} ({error})"))?;
        return Ok(None);
    }
    // A static is never dropped: the registry ends when this process does.
    static REGISTRY: OnceLock<LocalRegistry> = OnceLock::new();
    let registry = LocalRegistry::start().map_err(|error| {
        format!("no schema registry for the tests ({VARIABLE}=embedded runs them without): {error}")
    })?;
    Ok(Some(REGISTRY.get_or_init(|| registry).url()))
}

/// Whether `MILLSTREAM_TEST_BROKER` says that Kafka must run: then a suite that needs Java fails without it.
pub fn is_kafka_promised() -> bool {
    env::var_os(VARIABLE).is_some_and(|value| matches!(choice(value.to_str()), Ok(Choice::Kafka)))
}

fn decide() -> Result<Vec<TestBroker>, String> {
    match variable().map_err(|error| error.to_string())? {
        Choice::Embedded => Ok(vec![TestBroker::Embedded]),
        Choice::Address(address) => Ok(vec![TestBroker::Embedded, TestBroker::Kafka(address)]),
        Choice::Kafka => Ok(vec![TestBroker::Embedded, start()?]),
        Choice::All => match is_available() {
            Ok(()) => Ok(vec![TestBroker::Embedded, start()?]),
            Err(missing) => {
                let line = format!("the broker suite runs on the embedded broker alone: {missing}");
                writeln!(io::stderr(), "{line}").map_err(|error| format!("{line} ({error})"))?;
                Ok(vec![TestBroker::Embedded])
            }
        },
    }
}

fn variable() -> Result<Choice, LocalKafkaError> {
    choice(env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned()).as_deref())
}

/// Reads the variable's value.
pub(crate) fn choice(value: Option<&str>) -> Result<Choice, LocalKafkaError> {
    match value {
        None => Ok(Choice::All),
        Some("embedded") => Ok(Choice::Embedded),
        Some("kafka") => Ok(Choice::Kafka),
        Some(found) => match found.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                Ok(Choice::Address(found.to_owned()))
            }
            _ => Err(LocalKafkaError::UnknownTestBroker { found: found.to_owned() }),
        },
    }
}

/// Starts this process's Kafka. A static is never dropped: the Kafka ends when this process does.
fn start() -> Result<TestBroker, String> {
    static KAFKA: OnceLock<LocalKafka> = OnceLock::new();
    let kafka = LocalKafka::start()
        .map_err(|error| format!("no Kafka for the tests ({VARIABLE}=embedded runs them without): {error}"))?;
    Ok(TestBroker::Kafka(KAFKA.get_or_init(|| kafka).bootstrap_servers().to_owned()))
}
