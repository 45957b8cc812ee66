use std::time::Duration;

use crate::record::Timestamp;
use crate::time::PunctuationType;

/// A call of a processor at intervals.
///
/// It is due each time its clock passes a multiple of the interval (counted from 1970-01-01 UTC), once however many
/// were passed. So when it is due next follows from the stream time alone, which a restart restores and an abort rolls
/// back: a punctuation by stream time is neither lost nor repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Punctuation {
    /// By which clock.
    pub kind: PunctuationType,
    /// How often; at least 1 ms.
    pub interval: Duration,
}

impl Punctuation {
    /// The first time after `now` at which it is due.
    pub(crate) fn next_after(&self, now: Timestamp) -> Timestamp {
        let interval = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        now.div_euclid(interval).saturating_add(1).saturating_mul(interval)
    }
}
