//! Event time: what a source promises, and what a task has come to.

mod clock;
mod mark;
mod punctuation_type;
mod watermark;

pub use punctuation_type::PunctuationType;
pub use watermark::Watermark;

pub(crate) use clock::Clock;
pub(crate) use mark::Mark;
