use std::fmt;

use super::RecordErrorKind;
use crate::broker::{BrokerError, ErrorKind};
use crate::serde::SerdeError;

/// Why a node could not process a record.
#[derive(Debug)]
pub struct ProcessError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    /// The node's number.
    node: Option<usize>,
    cause: Cause,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// The record: it cannot be read, processed or written.
    Record(RecordCause),
    /// The broker, or what else is outside and to be tried again.
    Broker(BrokerError),
}

/// What is wrong with a record.
#[derive(Debug)]
pub(crate) struct RecordCause {
    pub(crate) kind: RecordErrorKind,
    pub(crate) error: Box<dyn std::error::Error + Send + Sync>,
    /// Where a panic came from, if backtraces are asked for.
    pub(crate) stack: Option<String>,
}

impl ProcessError {
    /// An error of the record, told by `cause`: a text or another error.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ProcessError::of_kind(RecordErrorKind::Process, cause)
    }

    pub(crate) fn of_kind(kind: RecordErrorKind, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let cause = RecordCause { kind, error: cause.into(), stack: None };
        ProcessError(Box::new(Inner { node: None, cause: Cause::Record(cause) }))
    }

    /// A key or value, as `what` says, that a serde refused; if not for good, then no record is to blame.
    #[cold]
    pub(crate) fn of_serde(kind: RecordErrorKind, what: &str, error: &SerdeError) -> Self {
        let text = format!("{what}: {error}");
        if error.is_transient() { ProcessError::not_now(text) } else { ProcessError::of_kind(kind, text) }
    }

    fn not_now(text: String) -> Self {
        let cause = Cause::Broker(BrokerError::new(ErrorKind::Retry, text));
        ProcessError(Box::new(Inner { node: None, cause }))
    }

    /// User code that panicked.
    pub(crate) fn panicked(error: impl Into<Box<dyn std::error::Error + Send + Sync>>, stack: Option<String>) -> Self {
        let cause = RecordCause { kind: RecordErrorKind::Process, error: error.into(), stack };
        ProcessError(Box::new(Inner { node: None, cause: Cause::Record(cause) }))
    }

    /// Says at which node it happened, by its number, unless a node further down has said so already.
    #[cold]
    pub(crate) fn at(mut self, node: usize) -> Self {
        self.0.node.get_or_insert(node);
        self
    }

    /// The number of the node at which it happened, and why.
    pub(crate) fn into_parts(self) -> (Option<usize>, Cause) {
        (self.0.node, self.0.cause)
    }
}

impl From<SerdeError> for ProcessError {
    fn from(error: SerdeError) -> Self {
        if error.is_transient() {
            return ProcessError::not_now(error.to_string());
        }
        ProcessError::new(error)
    }
}

impl From<BrokerError> for ProcessError {
    fn from(error: BrokerError) -> Self {
        if error.kind == ErrorKind::Record {
            return ProcessError::of_kind(RecordErrorKind::Write, error);
        }
        ProcessError(Box::new(Inner { node: None, cause: Cause::Broker(error) }))
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::Record(cause) => cause.error.fmt(f),
            Cause::Broker(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ProcessError {}
