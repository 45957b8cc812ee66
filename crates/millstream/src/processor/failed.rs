use std::fmt;
use std::rc::Rc;

use crate::record::{Headers, Timestamp};

/// What could not be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordErrorKind {
    /// Its key, value or timestamp could not be read.
    Read,
    /// A node failed with it, or panicked.
    Process,
    /// What came of it could not be written.
    Write,
}

impl RecordErrorKind {
    /// As one word: `read`, `process` or `write`.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordErrorKind::Read => "read",
            RecordErrorKind::Process => "process",
            RecordErrorKind::Write => "write",
        }
    }
}

impl fmt::Display for RecordErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a record that failed in all its attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorPolicy {
    /// The application stops, with the record named.
    #[default]
    Fail,
    /// The record is left out, as if it had not been there, and counted.
    Skip,
    /// The record is left out, and its bytes go to the dead letter topic.
    DeadLetter,
}

impl ErrorPolicy {
    /// As one word: `fail`, `skip` or `dead_letter`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorPolicy::Fail => "fail",
            ErrorPolicy::Skip => "skip",
            ErrorPolicy::DeadLetter => "dead_letter",
        }
    }
}

/// A record that failed, as it lies on its topic, and why; see
/// [`TopologyBuilder::on_error`](crate::topology::TopologyBuilder::on_error).
#[derive(Clone, Copy, Debug)]
pub struct FailedRecord<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key's bytes, or null.
    pub key: Option<&'a [u8]>,
    /// Its value's bytes, or null.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its timestamp on Kafka, in ms.
    pub timestamp: Timestamp,
    /// The name of the node that failed, where it is known.
    pub node: Option<&'a str>,
    /// What failed.
    pub kind: RecordErrorKind,
    /// Why.
    pub error: &'a str,
    /// How often it was tried; at least 1.
    pub attempts: u32,
}

/// Decides what becomes of a record that failed.
pub(crate) type OnError = Rc<dyn Fn(&FailedRecord<'_>) -> ErrorPolicy>;
