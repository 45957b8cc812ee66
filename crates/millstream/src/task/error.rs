use std::fmt;
use std::sync::Arc;

use crate::broker::{BrokerError, TopicPartition};
use crate::processor::{Cause, ProcessError};

/// A record that cannot be read, processed or written: where it lies, where it failed, and why.
#[derive(Debug)]
pub struct RecordError {
    /// Its partition; for a punctuation, the task's first input.
    pub partition: TopicPartition,
    /// Its offset; `None` in a punctuation.
    pub offset: Option<i64>,
    /// The node that failed.
    pub node: Option<Arc<str>>,
    /// Why.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicPartition { topic, partition } = &self.partition;
        match self.offset {
            Some(offset) => write!(f, "topic {topic}, partition {partition}, offset {offset}")?,
            None => write!(f, "a punctuation of the task that reads topic {topic}, partition {partition}")?,
        }
        if let Some(node) = &self.node {
            write!(f, ", node {node}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

impl std::error::Error for RecordError {}

/// Why a task could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl TaskError {
    pub(crate) fn from_process(error: ProcessError, partition: &TopicPartition, offset: Option<i64>) -> Self {
        let (node, cause) = error.into_parts();
        match cause {
            Cause::Broker(error) => TaskError::Broker(error),
            Cause::Record(cause) => {
                TaskError::Record(RecordError { partition: partition.clone(), offset, node, cause })
            }
        }
    }
}
