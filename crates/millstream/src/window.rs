//! Windows: spans of event time, each with its own aggregate.

mod join;

pub use join::JoinWindows;

use std::time::Duration;

use crate::record::Timestamp;

/// A span of event time in ms, from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// The first ms of it.
    pub start: Timestamp,
    /// The first ms after it.
    pub end: Timestamp,
}

/// A key within a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Windowed<K> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: Window,
}

/// Tumbling windows: of one size, side by side, aligned to 1970-01-01 UTC.
///
/// A window takes records until stream time reaches its end plus the grace; a record that comes later is late: it is
/// counted, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    size_ms: i64,
    grace_ms: i64,
}

impl TimeWindows {
    /// Windows of `size` (whole ms, at least 1) without grace.
    ///
    /// # Panics
    /// When `size` is below 1 ms or beyond what fits into `i64` ms: a mistake in the program.
    pub fn tumbling(size: Duration) -> Self {
        let size_ms = i64::try_from(size.as_millis()).unwrap_or(0);
        assert!(size_ms >= 1, "a window's size is at least 1 ms, and fits into i64 ms: found {size:?}");
        TimeWindows { size_ms, grace_ms: 0 }
    }

    /// The same windows, open for records that come up to `grace` late.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        self
    }

    /// The size in ms.
    pub fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// The grace in ms.
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The window that a record of that time belongs to.
    pub fn window_at(&self, timestamp: Timestamp) -> Window {
        let start = timestamp.saturating_sub(timestamp.rem_euclid(self.size_ms));
        Window { start, end: start.saturating_add(self.size_ms) }
    }

    /// Whether a window takes no more records at that stream time.
    pub fn is_closed(&self, window: Window, stream_time: Timestamp) -> bool {
        window.end.saturating_add(self.grace_ms) <= stream_time
    }
}
