//! Windows: spans of event time, each with its own aggregate.

mod join;
mod session;
mod sliding;
mod time;

pub use join::JoinWindows;
pub use session::SessionWindows;
pub use sliding::SlidingWindows;
pub use time::TimeWindows;

use std::time::Duration;

use crate::record::Timestamp;

/// A span of event time in ms.
///
/// Of [`TimeWindows`] the end is the first ms after the window; of [`SlidingWindows`] and [`SessionWindows`] it is the last
/// ms within, as in Kafka Streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// The first ms of it.
    pub start: Timestamp,
    /// Where it ends.
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

/// The ms of a duration that a program gives, at least `least`.
#[track_caller]
fn whole_ms(duration: Duration, least: i64, what: &str) -> i64 {
    let ms = i64::try_from(duration.as_millis()).unwrap_or(-1);
    assert!(ms >= least, "{what} is at least {least} ms, and fits into i64 ms: found {duration:?}");
    ms
}

/// The ms of a grace; more than fits is for ever.
fn grace_ms(grace: Duration) -> i64 {
    i64::try_from(grace.as_millis()).unwrap_or(i64::MAX)
}
