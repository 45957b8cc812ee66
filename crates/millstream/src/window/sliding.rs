use std::time::Duration;

use super::{Window, grace_ms, whole_ms};
use crate::record::Timestamp;

/// Windows that slide along the records of a key: each holds records that are at most `time_difference` apart. There is one for
/// each set of records that some position of the window holds: one ends at each record, one begins right after it.
///
/// Start and end (`start + time_difference`) are both within. A window takes records until stream time is past its end plus
/// the grace. As in Kafka Streams no window begins before 0: records earlier than `time_difference` share the window that begins
/// at 0.
///
/// ```
/// # use millstream::prelude::*;
/// # use millstream_test::TopologyTestDriver;
/// # use std::time::Duration;
/// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
/// # let (i, o) = (input.clone(), output.clone());
/// let windows = SlidingWindows::of(Duration::from_millis(10)).grace(Duration::from_millis(30));
/// let mut driver = TopologyTestDriver::new(move |b| {
///     b.stream(&i).group_by_key().windowed_by(windows).count(Store::new("counts", Utf8, Be64)).to_stream().to(&o)
/// });
/// for timestamp in [20, 25, 40] {
///     driver.pipe(&input, "a".to_string(), 0, timestamp);
/// }
/// let counts: Vec<_> = driver.entries(&output).into_iter().map(|(k, n)| (k.window.start, k.window.end, n)).collect();
/// let expected = [(10, 20, Some(1)), (21, 31, Some(1)), (15, 25, Some(2)), (30, 40, Some(1))];
/// assert_eq!(counts, expected);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindows {
    time_difference_ms: i64,
    grace_ms: i64,
}

impl SlidingWindows {
    /// Windows of records at most `time_difference` (whole ms) apart, without grace.
    ///
    /// # Panics
    /// When `time_difference` does not fit into `i64` ms: a mistake in the program.
    pub fn of(time_difference: Duration) -> Self {
        SlidingWindows { time_difference_ms: whole_ms(time_difference, 0, "a time difference"), grace_ms: 0 }
    }

    /// The same windows, open for records that come up to `grace` late.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = grace_ms(grace);
        self
    }

    /// The time difference in ms: from a window's start to its end.
    pub fn time_difference_ms(&self) -> i64 {
        self.time_difference_ms
    }

    /// The grace in ms.
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The window that begins at `start` (ms).
    pub fn window_from(&self, start: Timestamp) -> Window {
        Window { start, end: start.saturating_add(self.time_difference_ms) }
    }

    /// Whether a window takes no more records at that stream time.
    pub fn is_closed(&self, window: Window, stream_time: Timestamp) -> bool {
        window.end.saturating_add(self.grace_ms) < stream_time
    }
}
