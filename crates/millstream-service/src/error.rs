use std::net::SocketAddr;

use millstream::broker::BrokerError;
use millstream::topology::TopologyError;

use crate::run::RunError;
use crate::settings::SettingsError;

/// What user code may fail with.
pub type UserError = Box<dyn std::error::Error + Send + Sync>;

/// Why a process did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings that are not valid, with the place of each.
    #[error("the settings are not valid:\n{0}")]
    Settings(#[from] SettingsError),
    /// Flags that cannot be used in this service.
    #[error("{0}")]
    Usage(String),
    /// Kafka properties that are unknown, have no such value, or must not be set.
    #[error("the settings are not valid:\n{0}")]
    Properties(String),
    /// The topology is not valid, or does not fit the topics.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// No broker answered in time, or it refused what a start needs.
    #[error("cannot start: {0}")]
    Start(BrokerError),
    /// HTTP cannot be served at the address of the settings.
    #[error(
        "cannot serve HTTP at {host}:{port}: {reason}. Set http.port to a free port (0 takes any) or http.enabled to false"
    )]
    Http {
        /// `http.host`.
        host: String,
        /// `http.port`.
        port: u16,
        /// What the system said.
        reason: String,
    },
    /// The process's own threads, signals or output.
    #[error("{what}: {reason}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
    /// The process came to its limit of memory; the text says which stores are large.
    #[error("{0}")]
    Memory(String),
    /// The run itself.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The example input could not be loaded.
    #[error("loading the example input: {0}")]
    Load(UserError),
    /// The results could not be read.
    #[error("the results: {0}")]
    Results(UserError),
    /// The process that was asked is not as it should be.
    #[error("{address}: {reason}")]
    Unhealthy {
        /// Where it was asked.
        address: SocketAddr,
        /// What it answered.
        reason: String,
    },
}

impl Error {
    /// The process's exit code: 2 for bad usage or settings, 1 for what went wrong at run time.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Settings(_) | Error::Usage(_) | Error::Properties(_) => 2,
            _ => 1,
        }
    }

    pub(crate) fn system(what: &'static str, reason: &dyn std::fmt::Display) -> Self {
        Error::System { what, reason: reason.to_string() }
    }
}
