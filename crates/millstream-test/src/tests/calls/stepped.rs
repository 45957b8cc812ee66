use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use millstream::executor::{Executor, Work};

/// Polls what it was given when it is told to, one at a time.
pub(super) struct SteppedExecutor {
    works: Mutex<Vec<Work>>,
    now: Arc<AtomicI64>,
}

impl SteppedExecutor {
    pub(super) fn new(now: Arc<AtomicI64>) -> Self {
        SteppedExecutor { works: Mutex::default(), now }
    }

    /// Polls the one of so many that is chosen.
    pub(super) fn step(&self, choose: impl FnOnce(usize) -> usize) {
        let mut work = {
            let mut works = self.works.lock().unwrap();
            if works.is_empty() {
                return;
            }
            let index = choose(works.len());
            works.swap_remove(index)
        };
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            self.works.lock().unwrap().push(work);
        }
    }
}

impl Executor for SteppedExecutor {
    fn spawn(&self, work: Work) {
        self.works.lock().unwrap().push(work);
    }

    fn sleep(&self, duration: Duration) -> Work {
        let now = self.now.clone();
        let until = now.load(Ordering::Relaxed) + duration.as_millis() as i64;
        Box::pin(std::future::poll_fn(move |_| match now.load(Ordering::Relaxed) >= until {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }))
    }
}
