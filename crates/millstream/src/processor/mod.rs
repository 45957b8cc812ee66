//! Processors: what a topology's nodes are made of.

mod context;
mod error;
mod failed;
mod guard;
mod output;
mod place;
mod policies;
mod schedule;
mod tee;

pub use crate::time::PunctuationType;
pub use context::{Context, Origin, ProcessorContext};
pub use error::ProcessError;
pub use failed::{ErrorPolicy, FailedRecord, RecordErrorKind};
pub use policies::{ErrorPolicies, RecordRetry};
pub use schedule::Punctuation;

pub(crate) use error::{Cause, RecordCause};
pub(crate) use failed::OnError;
pub(crate) use guard::{guarded, guarded_anywhere, note_panics};
pub(crate) use output::{Left, Output, by_key};
pub(crate) use place::{Numbers, Place};
pub(crate) use tee::Tee;

use crate::record::{Record, Timestamp};
use crate::state::Timer;

/// A node written by hand. All operators of the DSL can be written as one.
///
/// A processor is not changed by what it processes (`&self`): what it must remember lives in stores, which the
/// changelog brings back after a restart and an abort rolls back.
pub trait Processor: 'static {
    /// The key of what comes in.
    type KeyIn;
    /// The value of what comes in.
    type ValueIn;
    /// The key of what goes out.
    type KeyOut: Clone + 'static;
    /// The value of what goes out.
    type ValueOut: Clone + 'static;

    /// Takes one record; forwards any number.
    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, Self::KeyOut, Self::ValueOut>,
        record: Record<Self::KeyIn, Self::ValueIn>,
    ) -> Result<(), ProcessError>;

    /// When [`Processor::punctuate`] is to be called: asked once, when the task is made.
    fn schedule(&self) -> Vec<Punctuation> {
        Vec::new()
    }

    /// Called for each punctuation of the schedule that is due, with the time (ms) it has become by its clock.
    fn punctuate(
        &self,
        _context: &mut ProcessorContext<'_, '_, Self::KeyOut, Self::ValueOut>,
        _punctuation: Punctuation,
        _time: Timestamp,
    ) -> Result<(), ProcessError> {
        Ok(())
    }
}

/// A processor with timers, which it sets in a [`TimerStore`](crate::state::TimerStore); see
/// [`Stream::process_with_timers`](crate::dsl::Stream::process_with_timers).
pub trait TimerProcessor: Processor {
    /// What its timers are set for.
    type TimerKey: Clone + 'static;

    /// Called once for each timer whose time has come, with the time (ms) it has become by its clock. The timer is not set any
    /// more.
    fn on_timer(
        &self,
        context: &mut ProcessorContext<'_, '_, Self::KeyOut, Self::ValueOut>,
        timer: Timer<Self::TimerKey>,
        time: Timestamp,
    ) -> Result<(), ProcessError>;
}
