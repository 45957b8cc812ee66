use std::fmt;
use std::sync::Arc;

use super::Input;
use crate::broker::{BrokerError, TopicPartition};
use crate::processor::{Cause, ProcessError, RecordCause, RecordErrorKind};

/// A record that cannot be read, processed or written: where it lies, where it failed, and why.
#[derive(Clone, Debug)]
pub struct RecordError {
    /// Its partition; for what no record caused, the task's first input.
    pub partition: TopicPartition,
    /// Its offset; `None` for what no record caused: a punctuation, or a commit.
    pub offset: Option<i64>,
    /// The node that failed.
    pub node: Option<Arc<str>>,
    /// What failed.
    pub kind: RecordErrorKind,
    /// Why.
    pub cause: Arc<dyn std::error::Error + Send + Sync>,
    /// Where a panic came from, if `RUST_BACKTRACE` asks for it.
    pub stack: Option<String>,
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
    #[error("{0}")]
    Record(Box<RecordError>),
    /// A record that is to stop the application.
    #[error("{0}")]
    Final(Box<RecordError>),
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl TaskError {
    /// An error of `record`, its input and offset, or, without one, of the task with these inputs.
    #[cold]
    pub(crate) fn of(
        error: ProcessError,
        names: &[Arc<str>],
        inputs: &[Input],
        record: Option<(usize, i64)>,
    ) -> TaskError {
        let (node, cause) = error.into_parts();
        let node = node.and_then(|number| names.get(number)).cloned();
        let partition = inputs[record.map_or(0, |(input, _)| input)].partition.clone();
        let offset = record.map(|(_, offset)| offset);
        match cause {
            Cause::Broker(error) => TaskError::Broker(error),
            Cause::Record(RecordCause { kind, error: cause, stack }) => {
                let cause = cause.into();
                TaskError::Record(Box::new(RecordError { partition, offset, node, kind, cause, stack }))
            }
        }
    }
}
