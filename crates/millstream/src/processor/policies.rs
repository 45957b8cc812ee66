use super::{ErrorPolicy, RecordErrorKind};

/// What becomes of records that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPolicies {
    /// Of those whose key, value or timestamp cannot be read.
    pub read: ErrorPolicy,
    /// Of those that a node fails with, by an error or a panic; of those whose asynchronous call failed in all its attempts.
    /// What no record caused, as a punctuation, always fails.
    pub process: ErrorPolicy,
    /// Of those that something comes of that cannot be written: its serde fails, or it is too large.
    pub write: ErrorPolicy,
    /// What comes before the policies `process` and `write`. What cannot be read is not tried again.
    pub retry: RecordRetry,
    /// The topic of dead letters; `None` is `<application_id>-dead-letters`.
    pub dead_letter_topic: Option<String>,
}

/// How often a record is tried that fails. Each time all that was done since the last commit is taken back; then the record's
/// task waits, and the worker's other tasks go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRetry {
    /// How many attempts there are, the first one included; 1 is no retry.
    pub attempts: u32,
    /// How much time passes, in ms, before the next attempt.
    pub backoff_ms: i64,
}

impl Default for RecordRetry {
    fn default() -> Self {
        RecordRetry { attempts: 1, backoff_ms: 1_000 }
    }
}

/// Every failure stops the application, at its first attempt.
impl Default for ErrorPolicies {
    fn default() -> Self {
        ErrorPolicies {
            read: ErrorPolicy::Fail,
            process: ErrorPolicy::Fail,
            write: ErrorPolicy::Fail,
            retry: RecordRetry::default(),
            dead_letter_topic: None,
        }
    }
}

impl ErrorPolicies {
    /// That for this kind.
    pub fn of(&self, kind: RecordErrorKind) -> ErrorPolicy {
        match kind {
            RecordErrorKind::Read => self.read,
            RecordErrorKind::Process => self.process,
            RecordErrorKind::Write => self.write,
        }
    }

    /// How often a record is tried that fails so.
    pub(crate) fn attempts(&self, kind: RecordErrorKind) -> u32 {
        if kind == RecordErrorKind::Read { 1 } else { self.retry.attempts.max(1) }
    }

    /// Whether some policy writes dead letters.
    pub(crate) fn has_dead_letters(&self) -> bool {
        [self.read, self.process, self.write].contains(&ErrorPolicy::DeadLetter)
    }

    /// The name of the dead letter topic of this application.
    pub fn dead_letter_topic_of(&self, application_id: &str) -> String {
        self.dead_letter_topic.clone().unwrap_or_else(|| format!("{application_id}-dead-letters"))
    }
}
