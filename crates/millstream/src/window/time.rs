use std::time::Duration;

use super::{Window, grace_ms, whole_ms};
use crate::record::Timestamp;

/// Tumbling and hopping windows: of one size, aligned to 1970-01-01 UTC, one every advance; from start up to but not
/// including end.
///
/// A window takes records until stream time reaches its end plus the grace; a record that comes later than that for all of its
/// windows is late: it is counted, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    size_ms: i64,
    advance_ms: i64,
    grace_ms: i64,
}

impl TimeWindows {
    /// Windows of `size` (whole ms, at least 1) side by side, without grace.
    ///
    /// # Panics
    /// When `size` is below 1 ms or beyond what fits into `i64` ms: a mistake in the program.
    pub fn tumbling(size: Duration) -> Self {
        let size_ms = whole_ms(size, 1, "a window's size");
        TimeWindows { size_ms, advance_ms: size_ms, grace_ms: 0 }
    }

    /// Windows of `size`, one beginning every `advance` (whole ms, from 1 to `size`), without grace. A record yields a result of
    /// each window that it is in, from the first one on.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", TimeWindowed::new(Utf8, 10), Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let windows = TimeWindows::hopping(Duration::from_millis(10), Duration::from_millis(5));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).group_by_key().windowed_by(windows).count(Store::new("counts", Utf8, Be64)).to_stream().to(&o)
    /// });
    /// for timestamp in [7, 11] {
    ///     driver.pipe(&input, "a".to_string(), 0, timestamp);
    /// }
    /// let counts: Vec<_> = driver.entries(&output).into_iter().map(|(k, n)| (k.window.start, k.window.end, n)).collect();
    /// let expected = [(0, 10, Some(1)), (5, 15, Some(1)), (5, 15, Some(2)), (10, 20, Some(1))];
    /// assert_eq!(counts, expected);
    /// ```
    ///
    /// # Panics
    /// When `size` or `advance` is below 1 ms, or `advance` above `size`: a mistake in the program.
    pub fn hopping(size: Duration, advance: Duration) -> Self {
        let (size_ms, advance_ms) = (whole_ms(size, 1, "a window's size"), whole_ms(advance, 1, "a window's advance"));
        assert!(advance_ms <= size_ms, "a window's advance is at most its size of {size:?}: found {advance:?}");
        TimeWindows { size_ms, advance_ms, grace_ms: 0 }
    }

    /// The same windows, open for records that come up to `grace` late.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace_ms = grace_ms(grace);
        self
    }

    /// The size in ms.
    pub fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// From one window's start to the next one's, in ms; the size for tumbling windows.
    pub fn advance_ms(&self) -> i64 {
        self.advance_ms
    }

    /// The grace in ms.
    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    /// The last window that a record of that time belongs to; of tumbling windows the only one.
    pub fn window_at(&self, timestamp: Timestamp) -> Window {
        self.window(timestamp.saturating_sub(timestamp.rem_euclid(self.advance_ms)))
    }

    /// The windows that a record of that time belongs to, from the first on. As in Kafka Streams no window begins before 0
    /// (unless the record does).
    pub fn windows_at(&self, timestamp: Timestamp) -> impl Iterator<Item = Window> {
        let earliest = timestamp.saturating_sub(self.size_ms - self.advance_ms);
        let earliest = if timestamp >= 0 { earliest.max(0) } else { earliest };
        let (windows, mut start) = (*self, self.window_at(earliest).start);
        std::iter::from_fn(move || {
            let window = (start <= timestamp).then(|| windows.window(start))?;
            start += windows.advance_ms;
            Some(window)
        })
    }

    /// Whether a window takes no more records at that stream time.
    pub fn is_closed(&self, window: Window, stream_time: Timestamp) -> bool {
        window.end.saturating_add(self.grace_ms) <= stream_time
    }

    fn window(&self, start: Timestamp) -> Window {
        Window { start, end: start.saturating_add(self.size_ms) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::TimeWindows;

    #[test]
    fn each_window_that_holds_a_time_is_found() {
        for (size, advance) in [(10, 10), (10, 5), (10, 3), (7, 1)] {
            let (duration, hop) = (Duration::from_millis(size), Duration::from_millis(advance));
            let windows = TimeWindows::hopping(duration, hop);
            for time in -20..40_i64 {
                let expected = (-100..100)
                    .map(|n| n * advance as i64)
                    .filter(|start| (*start..*start + size as i64).contains(&time) && (*start >= 0 || time < 0));
                let found = windows.windows_at(time).map(|window| {
                    assert_eq!(window.end, window.start + size as i64);
                    window.start
                });
                let (expected, found): (Vec<_>, Vec<_>) = (expected.collect(), found.collect());
                assert_eq!(found, expected, "size {size}, advance {advance}, time {time}");
                assert_eq!(windows.window_at(time).start, *found.last().unwrap());
            }
        }
    }
}
