//! The port to an async runtime: where the calls of asynchronous operators run.
//!
//! The engine has no runtime and no clock of its own. `millstream-service` implements the port with tokio.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Waker;

/// Work that an executor runs or waits for.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs the calls of asynchronous operators, outside of the workers' threads.
pub trait Executor: Send + Sync {
    /// Begins to run `work`. Returns at once; the caller may be on any thread.
    fn spawn(&self, work: Work);

    /// Is ready once `duration` has passed, counted from when this is called. Awaited by what was spawned here.
    fn sleep(&self, duration: Duration) -> Work;
}

/// A worker's executor, and how the worker is woken when a call is done.
#[derive(Clone)]
pub(crate) struct Calling {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) waker: Waker,
}
