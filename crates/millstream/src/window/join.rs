use std::time::Duration;

use crate::record::Timestamp;

/// Which records of two streams meet in a join: those of one key whose timestamps are close enough.
///
/// A record of the other stream may be up to `before` older and up to `after` younger than this stream's record, both ends
/// included. With the grace, records may come that much out of order: so long both sides wait for each other.
///
/// ```
/// use std::time::Duration;
/// use millstream::window::JoinWindows;
///
/// // A payment up to an hour after its order; events come up to a minute late.
/// let windows = JoinWindows::of_time_difference(Duration::ZERO).after(Duration::from_secs(3600)).grace(Duration::from_secs(60));
/// assert_eq!((windows.before_ms(), windows.after_ms(), windows.grace_ms()), (0, 3_600_000, 60_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinWindows {
    before_ms: i64,
    after_ms: i64,
    grace_ms: i64,
}

impl JoinWindows {
    /// Records whose timestamps differ by up to `difference` (whole ms), whichever is older; without grace.
    pub fn of_time_difference(difference: Duration) -> Self {
        let ms = whole_ms(difference);
        JoinWindows { before_ms: ms, after_ms: ms, grace_ms: 0 }
    }

    /// The same, but the other stream's record may be older by up to `before` (whole ms).
    pub fn before(mut self, before: Duration) -> Self {
        self.before_ms = whole_ms(before);
        self
    }

    /// The same, but the other stream's record may be younger by up to `after` (whole ms).
    pub fn after(mut self, after: Duration) -> Self {
        self.after_ms = whole_ms(after);
        self
    }

    /// The same, open for records that come up to `grace` (whole ms) late.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = whole_ms(grace);
        self
    }

    /// How much older, in ms, the other stream's record may be.
    pub fn before_ms(&self) -> i64 {
        self.before_ms
    }

    /// How much younger, in ms, the other stream's record may be.
    pub fn after_ms(&self) -> i64 {
        self.after_ms
    }

    /// The grace in ms.
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// How long, in ms, a record is kept for records that are still to come: as long as Kafka Streams does.
    pub(crate) fn retention_ms(&self) -> i64 {
        self.before_ms.saturating_add(self.after_ms).saturating_add(self.grace_ms)
    }

    /// The same windows as the other stream sees them.
    pub(crate) fn mirrored(self) -> Self {
        JoinWindows { before_ms: self.after_ms, after_ms: self.before_ms, grace_ms: self.grace_ms }
    }

    /// The timestamps, both included, of the other stream's records that this stream's record of that time meets.
    pub(crate) fn around(&self, timestamp: Timestamp) -> (Timestamp, Timestamp) {
        (timestamp.saturating_sub(self.before_ms), timestamp.saturating_add(self.after_ms))
    }

    /// The first time at which the window of this stream's record of that time is over.
    pub(crate) fn over_at(&self, timestamp: Timestamp) -> Timestamp {
        timestamp.saturating_add(self.after_ms).saturating_add(self.grace_ms).saturating_add(1)
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
