use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::executor::{Executor, Work};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// Runs calls in the thread that gives them a [turn](TestExecutor::turn), with a clock that waits for nobody.
pub(crate) struct TestExecutor {
    runtime: Runtime,
    running: Arc<AtomicUsize>,
    ended: Arc<Notify>,
}

/// A call that has not ended by then, by the runtime's own clock, never will.
const HANG: Duration = Duration::from_secs(1_000_000);

impl TestExecutor {
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
        Ok(TestExecutor { runtime, running: Arc::default(), ended: Arc::default() })
    }

    /// Runs what there is until some of it has ended.
    pub(crate) fn turn(&self) {
        if self.running.load(Ordering::Relaxed) > 0 {
            let ended = self.runtime.block_on(async { tokio::time::timeout(HANG, self.ended.notified()).await });
            assert!(ended.is_ok(), "an asynchronous call waits for what never comes");
        }
    }
}

impl Executor for TestExecutor {
    fn spawn(&self, work: Work) {
        let counted = Counted { running: self.running.clone(), ended: self.ended.clone() };
        counted.running.fetch_add(1, Ordering::Relaxed);
        self.runtime.handle().spawn(async move {
            let _counted = counted;
            work.await;
        });
    }

    fn sleep(&self, duration: Duration) -> Work {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Work that has not ended; a panic ends it, too.
struct Counted {
    running: Arc<AtomicUsize>,
    ended: Arc<Notify>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.ended.notify_one();
    }
}
