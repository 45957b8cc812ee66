use std::cell::Cell;
use std::rc::Rc;

use crate::record::Timestamp;

/// A task's event time, shared by the task, its nodes and its stores; it never goes back, but to a last commit.
///
/// Sources move it to the largest timestamp they have seen. Behind a repartition topic that says nothing about an upstream
/// task that is behind; there the upstream tasks' watermarks move it, and the time is the smaller of the two.
#[derive(Clone, Default)]
pub(crate) struct Clock(Rc<Cells>);

struct Cells {
    time: Cell<Timestamp>,
    /// What the sources have come to; `MAX` while they hold nothing back.
    sources: Cell<Timestamp>,
    /// What the upstream tasks have come to; `MAX` without repartition topics.
    upstream: Cell<Timestamp>,
    /// The oldest record that waits for an asynchronous call; `MAX` without one.
    calls: Cell<Timestamp>,
}

impl Default for Cells {
    fn default() -> Self {
        Cells {
            time: Cell::new(Timestamp::MIN),
            sources: Cell::new(Timestamp::MIN),
            upstream: Cell::new(Timestamp::MAX),
            calls: Cell::new(Timestamp::MAX),
        }
    }
}

impl Clock {
    /// The task's time: `MIN` before the first record.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.time.get()
    }

    /// A source promises that it has come to `watermark`.
    pub(crate) fn advance_sources(&self, watermark: Timestamp) {
        self.0.sources.set(self.0.sources.get().max(watermark));
        self.advance();
    }

    /// What the records that wait for asynchronous calls hold the time back to; `None` without such records. They are still
    /// to come to the nodes behind the calls, which must not take them for late.
    pub(crate) fn set_calls(&self, oldest: Option<Timestamp>) {
        self.0.calls.set(oldest.unwrap_or(Timestamp::MAX));
        self.advance();
    }

    fn advance(&self) {
        let reached = self.0.sources.get().min(self.0.upstream.get()).min(self.0.calls.get());
        self.0.time.set(self.0.time.get().max(reached));
    }

    /// Goes to a time, also back: to what was committed.
    pub(crate) fn reset(&self, time: Timestamp) {
        self.0.time.set(time);
        self.0.sources.set(time);
        self.0.calls.set(Timestamp::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn records_in_calls_hold_the_time_back() {
        let clock = Clock::default();
        clock.advance_sources(5);
        clock.set_calls(Some(5));
        clock.advance_sources(9);
        assert_eq!(clock.now(), 5);
        clock.set_calls(Some(2));
        assert_eq!(clock.now(), 5, "it never goes back");
        clock.set_calls(None);
        assert_eq!(clock.now(), 9);
    }
}
