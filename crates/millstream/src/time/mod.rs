//! Event time: what a source promises, and what a task has come to.

mod clock;
mod watermark;

pub use watermark::Watermark;

pub(crate) use clock::Clock;
