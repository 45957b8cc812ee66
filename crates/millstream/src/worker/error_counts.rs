use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::processor::RecordErrorKind;

/// What was done about a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorAction {
    /// It is tried again.
    Retry,
    /// The application stops.
    Fail,
    /// It was left out.
    Skip,
    /// It was left out, and is on the dead letter topic.
    DeadLetter,
}

impl ErrorAction {
    /// As one word: `retry`, `fail`, `skip` or `dead_letter`.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorAction::Retry => "retry",
            ErrorAction::Fail => "fail",
            ErrorAction::Skip => "skip",
            ErrorAction::DeadLetter => "dead_letter",
        }
    }
}

impl fmt::Display for ErrorAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which errors are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorLabels {
    /// The node that failed; the store of a row that a restore, or a global table, did not read; `commit` if it was neither.
    pub node: Arc<str>,
    /// What failed.
    pub kind: RecordErrorKind,
    /// What was done about it.
    pub action: ErrorAction,
}

/// How many records failed.
#[derive(Debug, Default)]
pub(super) struct ErrorCounts(Mutex<BTreeMap<ErrorLabels, u64>>);

impl ErrorCounts {
    pub(super) fn add(&self, labels: ErrorLabels, count: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(labels).or_default() += count;
    }

    pub(super) fn get(&self) -> BTreeMap<ErrorLabels, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
