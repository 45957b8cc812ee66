use std::sync::Arc;

use super::failures::{Failure, Without};
use super::{RecordError, Task, TaskError};
use crate::broker::{BrokerError, ErrorKind, Message, Outgoing};
use crate::processor::{ErrorPolicies, ErrorPolicy, FailedRecord, Left, Output, ProcessError, guarded};
use crate::record::{Headers, Timestamp};

/// What a task needs to know of records that fail.
#[derive(Clone)]
pub(crate) struct ErrorHandling {
    pub(crate) policies: Arc<ErrorPolicies>,
    pub(crate) dead_letter_topic: Arc<str>,
}

/// What the names of headers begin with that say why a record is on the dead letter topic.
const PREFIX: &str = "millstream.error.";

impl Task {
    /// A record failed. One that could not be read has had no effect, but for the time, which goes back; it is left out at
    /// once if it is to be. All else is the worker's to decide.
    #[cold]
    pub(super) fn take_failure(
        &mut self,
        (index, message): (usize, &Message<'_>),
        error: ProcessError,
        time_before: (Timestamp, Timestamp),
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        let error = match self.failed(error) {
            TaskError::Record(error) => error,
            other => return Err(other),
        };
        let is_read = error.kind == crate::processor::RecordErrorKind::Read;
        if !is_read || self.errors.policies.of(error.kind) == ErrorPolicy::Fail && self.graph.on_error.is_none() {
            return Err(TaskError::Record(error));
        }
        self.graph.clock.put_back(time_before);
        let failure = Failure { error, attempts: 1, is_final: true, without: Without::Nothing };
        self.leave_out(index, message, &failure, output, wall_clock)
    }

    /// Leaves out a record that was found to fail before, and was taken back.
    #[cold]
    pub(super) fn divert(
        &mut self,
        (index, message): (usize, &Message<'_>),
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        let Some(failure) = self.inputs[index].failures.take(message.offset) else { return Ok(()) };
        // What came before it is not to be done a third time, should another one fail.
        output.commit_soon = true;
        let left_out = self.leave_out(index, message, &failure, output, wall_clock);
        // Until it is committed.
        self.inputs[index].failures.put(message.offset, failure);
        left_out
    }

    fn leave_out(
        &mut self,
        index: usize,
        message: &Message<'_>,
        failure: &Failure,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        let policy = match self.decide(message, failure) {
            Ok(policy) => policy,
            Err(why) => {
                let mut error = failure.error.clone();
                let text = format!("{}; and on_error, which was to decide, {why}", error.cause);
                error.cause = Box::<dyn std::error::Error + Send + Sync>::from(text).into();
                return Err(TaskError::Final(error));
            }
        };
        match policy {
            ErrorPolicy::Fail => return Err(TaskError::Final(failure.error.clone())),
            ErrorPolicy::Skip => {}
            ErrorPolicy::DeadLetter => self.send_dead_letter(message, failure, output, wall_clock)?,
        }
        self.dirty = true;
        self.note_not_finished();
        let error = failure.error.to_string();
        output.note_left(Left { node: failure.error.node.clone(), kind: failure.error.kind, policy, error });
        self.inputs[index].note_processed(message.offset);
        Ok(())
    }

    /// What becomes of the record: as the topology says, or else the policies.
    fn decide(&self, message: &Message<'_>, failure: &Failure) -> Result<ErrorPolicy, ProcessError> {
        let Failure { error, attempts, .. } = failure;
        let Some(on_error) = &self.graph.on_error else { return Ok(self.errors.policies.of(error.kind)) };
        let text = error.cause.to_string();
        let failed = FailedRecord {
            topic: &error.partition.topic,
            partition: error.partition.partition,
            offset: message.offset,
            key: message.key,
            value: message.value,
            headers: &message.headers,
            timestamp: message.timestamp,
            node: error.node.as_deref(),
            kind: error.kind,
            error: &text,
            attempts: *attempts,
        };
        guarded(&self.at, || Ok(on_error(&failed)))
    }

    /// Writes the record as it is, with headers that say why. One that is too large with them goes without its value.
    fn send_dead_letter(
        &mut self,
        message: &Message<'_>,
        failure: &Failure,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), BrokerError> {
        let topic = output.producer.topic(&self.errors.dead_letter_topic)?;
        let partition = self.id.partition % output.producer.partitions(topic)?.max(1);
        let mut without = failure.without;
        loop {
            let headers = headers_of(message, failure, without);
            let timestamp = if without == Without::Nothing { message.timestamp } else { wall_clock };
            // Kafka takes no negative timestamps; what it was is in a header.
            let timestamp = timestamp.max(0);
            let value = message.value.filter(|_| without != Without::Value);
            let (partition, key, headers) = (Some(partition), message.key, &headers);
            match output.send_bytes(Outgoing { topic, partition, timestamp, key, value, headers }) {
                Err(error) if error.kind == ErrorKind::Record && without != Without::Value => without = Without::Value,
                sent => return sent,
            }
        }
    }
}

fn headers_of(message: &Message<'_>, failure: &Failure, without: Without) -> Headers {
    let RecordError { partition, node, kind, cause, stack, .. } = &*failure.error;
    let mut headers = message.headers.clone();
    let mut push = |name: &str, value: String| headers.push(format!("{PREFIX}{name}"), Some(value.into_bytes()));
    push("topic", partition.topic.to_string());
    push("partition", partition.partition.to_string());
    push("offset", message.offset.to_string());
    push("timestamp", message.timestamp.to_string());
    if let Some(node) = node {
        push("node", node.to_string());
    }
    push("kind", kind.to_string());
    push("message", cause.to_string());
    push("attempts", failure.attempts.to_string());
    if let Some(stack) = stack {
        push("stack", stack.clone());
    }
    if without == Without::Value {
        push("left_out_value_bytes", message.value.map_or(0, <[u8]>::len).to_string());
    }
    headers
}
