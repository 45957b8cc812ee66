//! Event time: what a source promises, and what a task has come to.

mod clock;
mod mark;
mod watermark;

pub use watermark::Watermark;

pub(crate) use clock::Clock;
pub(crate) use mark::Mark;
