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

    /// What the sources have come to; `MAX` while they hold nothing back.
    pub(crate) fn sources(&self) -> Timestamp {
        self.0.sources.get()
    }

    /// What sources hold the time back to; `None` without sources, or while they are idle.
    pub(crate) fn set_sources(&self, reached: Option<Timestamp>) {
        self.0.sources.set(reached.unwrap_or(Timestamp::MAX));
        self.advance();
    }

    /// What upstream tasks hold the time back to; `None` without repartition topics, or while they are idle.
    pub(crate) fn set_upstream(&self, reached: Option<Timestamp>) {
        self.0.upstream.set(reached.unwrap_or(Timestamp::MAX));
        self.advance();
    }

    /// A source promises that it has come to `watermark`.
    #[inline]
    pub(crate) fn advance_sources(&self, watermark: Timestamp) {
        let cells = &*self.0;
        if watermark > cells.sources.get() {
            cells.sources.set(watermark);
            let reached = watermark.min(cells.upstream.get()).min(cells.calls.get());
            if reached > cells.time.get() {
                cells.time.set(reached);
            }
        }
    }

    /// Moves the time on without a record: all inputs are idle, or at their end for good.
    pub(crate) fn advance_to(&self, time: Timestamp) {
        self.0.time.set(self.0.time.get().max(time.min(self.0.calls.get())));
    }

    /// Goes to a time, also back: to what was committed. Nothing but sources that have come so far moves it from then on.
    pub(crate) fn reset(&self, time: Timestamp) {
        self.0.time.set(time);
        self.0.sources.set(time);
        self.0.upstream.set(Timestamp::MAX);
        self.0.calls.set(Timestamp::MAX);
    }

    /// The time and what the sources have come to, for [`Clock::put_back`].
    #[inline]
    pub(crate) fn before(&self) -> (Timestamp, Timestamp) {
        (self.0.time.get(), self.0.sources.get())
    }

    /// Takes back what a source's record moved since then.
    pub(crate) fn put_back(&self, (time, sources): (Timestamp, Timestamp)) {
        self.0.time.set(time);
        self.0.sources.set(sources);
    }

    fn advance(&self) {
        let reached = self.0.sources.get().min(self.0.upstream.get());
        // With nothing that holds it back, time stands still: nobody has said what it has come to.
        if reached != Timestamp::MAX {
            self.advance_to(reached);
        }
    }

    /// What the records that wait for asynchronous calls hold the time back to; `None` without such records. They are still
    /// to come to the nodes behind the calls, which must not take them for late.
    pub(crate) fn set_calls(&self, oldest: Option<Timestamp>) {
        self.0.calls.set(oldest.unwrap_or(Timestamp::MAX));
        self.advance();
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn the_time_is_the_smaller_of_the_two_and_never_goes_back() {
        let clock = Clock::default();
        clock.advance_sources(5);
        assert_eq!(clock.now(), 5, "without repartition topics");
        clock.set_upstream(Some(3));
        clock.advance_sources(9);
        assert_eq!(clock.now(), 5);
        clock.set_upstream(Some(7));
        assert_eq!(clock.now(), 7);
        clock.set_sources(None);
        clock.set_upstream(Some(20));
        assert_eq!(clock.now(), 20, "idle sources hold nothing back");
        clock.set_upstream(None);
        assert_eq!(clock.now(), 20, "nothing is known");
        clock.reset(4);
        assert_eq!(clock.now(), 4);
    }

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
