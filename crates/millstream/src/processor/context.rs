use super::{Output, Place, ProcessError, Tee};
use crate::record::{Record, Timestamp};
use crate::time::Clock;

/// Where the record that is being processed came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// What a node knows while it processes.
pub struct Context<'a> {
    pub(crate) output: &'a mut Output,
    pub(crate) at: &'a Place,
    pub(crate) origin: Option<Origin<'a>>,
    pub(crate) clock: &'a Clock,
    pub(crate) wall_clock: Timestamp,
}

impl Context<'_> {
    /// The event time (ms) that the task has come to, this record's included; `i64::MIN` before the first. Windows close and
    /// timers fire by it.
    pub fn stream_time(&self) -> Timestamp {
        self.clock.now()
    }

    /// The machine's time in ms, as of the last batch of records.
    pub fn wall_clock(&self) -> Timestamp {
        self.wall_clock
    }

    /// Where the record came from; `None` in a punctuation.
    pub fn origin(&self) -> Option<Origin<'_>> {
        self.origin
    }
}

/// The context of a processor, with the way to its children.
pub struct ProcessorContext<'c, 'a, K, V> {
    pub(crate) context: &'c mut Context<'a>,
    pub(crate) children: &'c Tee<K, V>,
}

impl<'a, K: Clone, V: Clone> ProcessorContext<'_, 'a, K, V> {
    /// Hands a record to all children; an error of theirs is to be passed on.
    pub fn forward(&mut self, record: Record<K, V>) -> Result<(), ProcessError> {
        self.children.push(self.context, record)
    }
}

impl<'a, K, V> std::ops::Deref for ProcessorContext<'_, 'a, K, V> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        self.context
    }
}
