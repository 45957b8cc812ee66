//! Records on topics for who stands outside of a topology: loaders of input, readers of results, tests.

mod patient;
mod read;
mod write;

pub use patient::patient;
pub use read::{Placed, read_all};
pub use write::RecordWriter;

use crate::broker::BrokerError;
use crate::serde::SerdeError;

/// How long is waited at once when nothing is here.
const NAP: std::time::Duration = std::time::Duration::from_millis(20);

/// Why a record could not be read or written from outside.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Its bytes, or its value, and the serde do not fit.
    #[error("{place}: {error}")]
    Serde {
        /// Where the record lies, or is to go.
        place: String,
        /// What does not fit.
        error: SerdeError,
    },
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Nothing came for so long.
    #[error("nothing came from {place} for {waited:?}; is the broker there, and every transaction ended?")]
    Silence {
        /// What was read.
        place: String,
        /// How long was waited.
        waited: std::time::Duration,
    },
}
