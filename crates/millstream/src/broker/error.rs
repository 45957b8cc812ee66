use std::fmt;

/// What to do about an error of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may go through later.
    Retry,
    /// The transaction must be aborted, and its records processed again.
    Abort,
    /// The producer is not the owner of its transactional id any more: drop it and the tasks' state, begin anew.
    Fenced,
    /// The record that was to be sent cannot be written, as it is too large; others can.
    Record,
    /// Some record that was sent since the last commit cannot be written; others can. The transaction must be aborted.
    EarlierRecord,
    /// Nothing helps but a person.
    Fatal,
}

/// An error of the broker or of the client library, by what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerError {
    /// What to do.
    pub kind: ErrorKind,
    /// What was tried, and what went wrong.
    pub message: String,
}

impl BrokerError {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        BrokerError { kind, message: message.into() }
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BrokerError {}
