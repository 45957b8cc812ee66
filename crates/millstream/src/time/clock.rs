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
}

impl Default for Cells {
    fn default() -> Self {
        Cells {
            time: Cell::new(Timestamp::MIN),
            sources: Cell::new(Timestamp::MIN),
            upstream: Cell::new(Timestamp::MAX),
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

    fn advance(&self) {
        let reached = self.0.sources.get().min(self.0.upstream.get());
        self.0.time.set(self.0.time.get().max(reached));
    }

    /// Goes to a time, also back: to what was committed.
    pub(crate) fn reset(&self, time: Timestamp) {
        self.0.time.set(time);
        self.0.sources.set(time);
    }
}
