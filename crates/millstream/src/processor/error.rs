use std::fmt;
use std::sync::Arc;

use crate::broker::BrokerError;
use crate::serde::SerdeError;

/// Why a node could not process a record.
#[derive(Debug)]
pub struct ProcessError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    node: Option<Arc<str>>,
    cause: Cause,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// The record: it cannot be read, processed or written.
    Record(Box<dyn std::error::Error + Send + Sync>),
    /// The broker.
    Broker(BrokerError),
}

impl ProcessError {
    /// An error of the record, told by `cause`: a text or another error.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ProcessError(Box::new(Inner { node: None, cause: Cause::Record(cause.into()) }))
    }

    /// Says at which node it happened, unless a node further down has said so already.
    pub(crate) fn at(mut self, node: &Arc<str>) -> Self {
        self.0.node.get_or_insert_with(|| node.clone());
        self
    }

    /// The node at which it happened, and why.
    pub(crate) fn into_parts(self) -> (Option<Arc<str>>, Cause) {
        (self.0.node, self.0.cause)
    }
}

impl From<SerdeError> for ProcessError {
    fn from(error: SerdeError) -> Self {
        ProcessError::new(error)
    }
}

impl From<BrokerError> for ProcessError {
    fn from(error: BrokerError) -> Self {
        ProcessError(Box::new(Inner { node: None, cause: Cause::Broker(error) }))
    }
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = &self.0.node {
            write!(f, "at node {node}: ")?;
        }
        match &self.0.cause {
            Cause::Record(cause) => cause.fmt(f),
            Cause::Broker(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for ProcessError {}
