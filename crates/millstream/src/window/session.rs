use std::time::Duration;

use super::{Window, grace_ms, whole_ms};
use crate::record::Timestamp;

/// Sessions: the records of a key up to `inactivity_gap` apart from their neighbours; a record between two sessions merges them.
///
/// Start and end are the times of the first and the last record. A session takes records until stream time is past its end plus
/// the gap plus the grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionWindows {
    gap_ms: i64,
    grace_ms: i64,
}

impl SessionWindows {
    /// Sessions that end after `gap` (whole ms, at least 1) without a record, without grace.
    ///
    /// # Panics
    /// When `gap` is below 1 ms or beyond what fits into `i64` ms: a mistake in the program.
    pub fn inactivity_gap(gap: Duration) -> Self {
        SessionWindows { gap_ms: whole_ms(gap, 1, "an inactivity gap"), grace_ms: 0 }
    }

    /// The same sessions, open for records that come up to `grace` late.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = grace_ms(grace);
        self
    }

    /// The inactivity gap in ms.
    pub fn gap_ms(&self) -> i64 {
        self.gap_ms
    }

    /// The grace in ms.
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// Whether a session takes no more records at that stream time.
    pub fn is_closed(&self, session: Window, stream_time: Timestamp) -> bool {
        session.end.saturating_add(self.gap_ms).saturating_add(self.grace_ms) < stream_time
    }
}
