use std::collections::BTreeMap;

use super::RecordError;

/// The records of one input that failed and are not committed yet, by their offsets: few, as a commit follows soon on each
/// that is left out.
#[derive(Default)]
pub(crate) struct Failures(BTreeMap<i64, Failure>);

/// A record that failed.
pub(crate) struct Failure {
    pub(crate) error: Box<RecordError>,
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// Whether it is not tried again.
    pub(crate) is_final: bool,
    /// What its dead letter is written without, as the broker refused it.
    pub(crate) without: Without,
}

/// What a dead letter is written without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Without {
    #[default]
    Nothing,
    /// Its own timestamp.
    Timestamp,
    /// Timestamp and value.
    Value,
}

impl Failures {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this record is not tried again.
    pub(crate) fn is_final(&self, offset: i64) -> bool {
        self.0.get(&offset).is_some_and(|failure| failure.is_final)
    }

    pub(super) fn take(&mut self, offset: i64) -> Option<Failure> {
        self.0.remove(&offset)
    }

    pub(super) fn put(&mut self, offset: i64, failure: Failure) {
        self.0.insert(offset, failure);
    }

    /// The first record that is not tried again.
    pub(super) fn next_final(&self) -> Option<i64> {
        self.0.iter().find(|(_, failure)| failure.is_final).map(|(offset, _)| *offset)
    }

    /// How often it was tried.
    pub(crate) fn attempts(&self, offset: i64) -> u32 {
        self.0.get(&offset).map_or(0, |failure| failure.attempts)
    }

    /// Notes another attempt that failed.
    pub(crate) fn note(&mut self, offset: i64, error: Box<RecordError>, is_final: bool) {
        let attempts = self.attempts(offset) + 1;
        self.0.insert(offset, Failure { error, attempts, is_final, without: Without::Nothing });
    }

    /// A dead letter was refused: less of it is written the next time; `false` if there is no less.
    pub(crate) fn reduce(&mut self, offset: i64) -> bool {
        let Some(failure) = self.0.get_mut(&offset) else { return false };
        failure.without = match failure.without {
            Without::Nothing => Without::Timestamp,
            Without::Timestamp => Without::Value,
            Without::Value => return false,
        };
        true
    }

    /// Forgets what is committed.
    pub(crate) fn forget_before(&mut self, position: i64) {
        if !self.0.is_empty() {
            self.0 = self.0.split_off(&position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, Without};
    use crate::broker::TopicPartition;
    use crate::processor::RecordErrorKind;
    use crate::task::RecordError;

    fn error(offset: i64) -> Box<RecordError> {
        Box::new(RecordError {
            partition: TopicPartition::new("in", 0),
            offset: Some(offset),
            node: None,
            kind: RecordErrorKind::Process,
            cause: std::sync::Arc::new(crate::serde::SerdeError::new("bad")),
            stack: None,
        })
    }

    #[test]
    fn attempts_are_counted_for_each_record_until_it_is_committed() {
        let mut failures = Failures::default();
        failures.note(5, error(5), false);
        failures.note(5, error(5), true);
        failures.note(9, error(9), false);
        assert_eq!((failures.attempts(5), failures.attempts(9), failures.attempts(7)), (2, 1, 0));
        assert!(failures.is_final(5) && !failures.is_final(9));
        failures.forget_before(6);
        assert_eq!((failures.attempts(5), failures.attempts(9)), (0, 1));
        failures.forget_before(10);
        assert!(failures.is_empty());
    }

    #[test]
    fn a_dead_letter_gets_smaller_until_nothing_can_be_left_out() {
        let mut failures = Failures::default();
        failures.note(5, error(5), true);
        assert!(failures.reduce(5) && failures.reduce(5));
        assert_eq!(failures.take(5).unwrap().without, Without::Value);
        assert!(!failures.reduce(5) && !failures.reduce(6));
    }
}
