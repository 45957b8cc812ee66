use std::time::Duration;

use super::{Window, grace_ms, whole_ms};
use crate::record::Timestamp;

/// Sessions: the records of a key up to `inactivity_gap` apart from their neighbours; a record between two sessions merges them.
///
/// Start and end are the times of the first and the last record. A session takes records until stream time is past its end plus
/// the gap plus the grace. A record that joins or extends sessions yields null for each of them, then the session that they have
/// become.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_test::TopologyTestDriver;
/// # use std::time::Duration;
/// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", SessionWindowed(Utf8), Be64));
/// # let (i, o) = (input.clone(), output.clone());
/// let windows = SessionWindows::inactivity_gap(Duration::from_millis(10));
/// let mut driver = TopologyTestDriver::new(move |b| {
///     b.stream(&i).group_by_key().windowed_by(windows).count(Store::new("counts", Utf8, Be64)).to_stream().to(&o)
/// });
/// for timestamp in [20, 25, 40] {
///     driver.pipe(&input, "a".to_string(), 0, timestamp);
/// }
/// let counts: Vec<_> = driver.entries(&output).into_iter().map(|(k, n)| (k.window.start, k.window.end, n)).collect();
/// let expected = [(20, 20, Some(1)), (20, 20, None), (20, 25, Some(2)), (40, 40, Some(1))];
/// assert_eq!(counts, expected);
/// ```
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
