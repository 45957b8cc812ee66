//! Asynchronous calls: what operators such as [`map_async`](crate::dsl::Stream::map_async) wait for.
//!
//! ```text
//!   worker's thread                                       executor's threads
//!   record ──► Calls: held, until its turn ── spawn ────► attempts, timeouts, delays
//!   children ◄── in the chosen order ◄── queue, waker ─── how it ended
//! ```
//!
//! A task reads on while calls are under way, up to their concurrency. An offset is committed only when every call that
//! began before it has ended and its result was pushed on: when a commit is due, the task reads nothing more until its
//! calls are done. After an abort, what is under way is cancelled, and its records are read and called for again: so a
//! service that is called must take it well when the same call comes twice.

mod call;
mod options;
mod order;
mod pending;
#[cfg(test)]
mod tests;

pub use options::{AsyncOptions, CallOrder, Retry};

pub(crate) use call::{Attempt, BoxError};
pub(crate) use pending::{Calls, PendingCalls};
