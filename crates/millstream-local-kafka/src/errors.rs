//! What can go wrong between this process and a local Kafka or schema registry.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a local Kafka or schema registry cannot be installed, started, stopped or asked.
#[derive(Debug, thiserror::Error)]
pub enum LocalKafkaError {
    /// No Java can be run.
    #[error(
        "Java is missing: {program:?} cannot be run ({source}); Kafka and the schema registry need Java 17 or later, in JAVA_HOME or on the PATH"
    )]
    JavaMissing {
        /// What was tried.
        program: PathBuf,
        /// Why it did not run.
        source: io::Error,
    },
    /// The Java that was found is too old.
    #[error(
        "Java is too old: {program:?} is Java {found}; Kafka and the schema registry need Java 17 or later, in JAVA_HOME or on the PATH"
    )]
    JavaTooOld {
        /// The Java that was asked.
        program: PathBuf,
        /// Its major version.
        found: u32,
    },
    /// Java's version cannot be read.
    #[error("Java does not tell its version: `{program:?} -version` answered {answer:?}, without a version in quotes")]
    JavaUnknown {
        /// The Java that was asked.
        program: PathBuf,
        /// What it wrote.
        answer: String,
    },
    /// What is to run was not fetched yet, and no Maven can be run to fetch it.
    #[error(
        "Maven is missing: `mvn` cannot be run ({source}); it fetches Kafka and the schema registry once: install Maven 3.6.3 or later on the PATH"
    )]
    MavenMissing {
        /// Why it did not run.
        source: io::Error,
    },
    /// Maven did not fetch what is to run.
    #[error(
        "Maven did not fetch what is to run ({status}); it needs its repository, by network or in its local cache; its last lines:\n{lines}"
    )]
    MavenFailed {
        /// How Maven ended.
        status: ExitStatus,
        /// The end of its output.
        lines: String,
    },
    /// A Java program is not what the compiler takes, or there is no compiler.
    #[error("the Java program cannot be compiled (a JDK is needed, 17 or later):\n{text}")]
    NotCompiled {
        /// What the compiler wrote.
        text: String,
    },
    /// A file, a folder or a process did not do what it should.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, with the path.
        action: String,
        /// Why it did not go.
        source: io::Error,
    },
    /// No port is free.
    #[error("no free port on 127.0.0.1: all of {first} to {last} are taken; end what listens there")]
    NoFreePort {
        /// The first port that was tried.
        first: u16,
        /// The last port that was tried.
        last: u16,
    },
    /// Kafka's data folder could not be formatted.
    #[error("Kafka did not format its data folder ({status}); its last lines:\n{lines}")]
    NotFormatted {
        /// How the formatting ended.
        status: ExitStatus,
        /// The end of its output.
        lines: String,
    },
    /// A service ended while it was starting.
    #[error("{service} on {address} ended while starting ({status}); its last lines:\n{lines}")]
    EndedAtStart {
        /// Which one: Kafka, or the schema registry.
        service: &'static str,
        /// Where it should have listened.
        address: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        lines: String,
    },
    /// A service did not get ready in time.
    #[error("{service} on {address} is not ready after {limit:?}; its last lines:\n{lines}")]
    NotReady {
        /// Which one: Kafka, or the schema registry.
        service: &'static str,
        /// Where it should have listened.
        address: String,
        /// How long it had.
        limit: Duration,
        /// The end of its log.
        lines: String,
    },
    /// Kafka did not stop on `SIGTERM` and was killed.
    #[error("Kafka on {address} did not stop within {limit:?} of SIGTERM and was killed; its last lines:\n{lines}")]
    NotStopped {
        /// Where it listened.
        address: String,
        /// How long it had.
        limit: Duration,
        /// The end of its log.
        lines: String,
    },
    /// One of Kafka's command line tools failed.
    #[error("Kafka's {class} failed ({status}); its last lines:\n{lines}")]
    ToolFailed {
        /// The tool's Java class.
        class: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output and of its errors.
        lines: String,
    },
    /// `MILLSTREAM_TEST_BROKER` names no broker.
    #[error(
        "MILLSTREAM_TEST_BROKER is {found:?}; right are `embedded`, `kafka` (one is started), a Kafka's `host:port`, or unset"
    )]
    UnknownTestBroker {
        /// The variable's value.
        found: String,
    },
}

impl LocalKafkaError {
    /// Makes an [`LocalKafkaError::Io`] of what was tried.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> LocalKafkaError {
        let action = action.into();
        move |source| LocalKafkaError::Io { action, source }
    }
}

/// The last 20 lines of `text`.
pub(crate) fn last_lines(text: &str) -> String {
    const KEPT: usize = 20;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(KEPT)..].join("\n")
}
