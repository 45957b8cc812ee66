use std::io;
use std::sync::Arc;
use std::time::Duration;

use millstream::executor::{Executor, Work};
use tokio::runtime::{Builder, Handle, Runtime};

/// How long calls that do not heed their end are waited for when the process ends.
const END_LIMIT: Duration = Duration::from_millis(250);

/// A runtime of its own for the calls of asynchronous operators: what they do must not delay HTTP and signals, nor a worker.
pub(crate) struct CallRuntime(Option<Runtime>);

/// Where workers send their calls.
struct TokioExecutor(Handle);

impl CallRuntime {
    /// Starts the runtime's threads, as many as there are cores; they end when the runtime is dropped.
    pub(crate) fn start() -> io::Result<(Self, Arc<dyn Executor>)> {
        let runtime = Builder::new_multi_thread().thread_name("calls").enable_all().build()?;
        let executor = Arc::new(TokioExecutor(runtime.handle().clone()));
        Ok((CallRuntime(Some(runtime)), executor))
    }
}

impl Drop for CallRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(END_LIMIT);
        }
    }
}

impl Executor for TokioExecutor {
    fn spawn(&self, work: Work) {
        self.0.spawn(work);
    }

    fn sleep(&self, duration: Duration) -> Work {
        Box::pin(tokio::time::sleep(duration))
    }
}
