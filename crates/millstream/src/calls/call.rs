use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::AsyncOptions;
use crate::executor::{Calling, Executor};
use crate::record::Record;

/// What a call fails with.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// One attempt of a call.
pub(crate) type Attempt<R> = Pin<Box<dyn Future<Output = Result<R, BoxError>> + Send>>;
/// What begins an attempt.
pub(crate) type Begin<K, V, R> = dyn Fn(Record<K, V>) -> Attempt<R> + Send + Sync;

/// How a call ended, on its way to the worker's thread.
pub(super) struct Ended<R> {
    /// The number of its record.
    pub(super) number: u64,
    pub(super) result: Result<R, BoxError>,
}

/// Why a call gave no result.
#[derive(Debug, PartialEq, Eq)]
enum CallError {
    TimedOut(Duration),
    /// Its work is gone without an end: it panicked, or its runtime did.
    Vanished,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::TimedOut(timeout) => write!(f, "no answer within {timeout:?}"),
            CallError::Vanished => f.write_str("the call panicked, or its runtime was shut down; see the log above"),
        }
    }
}

impl std::error::Error for CallError {}

/// The last attempt's error, with how many attempts there were.
#[derive(Debug)]
struct Exhausted {
    attempts: u32,
    last: BoxError,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attempts failed; the last one: {}", self.attempts, self.last)
    }
}

impl std::error::Error for Exhausted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.last)
    }
}

/// Held by who wants a call's result: when it is dropped, the call's work is, as soon as its executor has it in hand.
pub(super) struct Cancel(Arc<Cancelled>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.set();
    }
}

#[derive(Default)]
struct Cancelled {
    is_set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Cancelled {
    fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Runs `work` until it is done, or cancelled.
    async fn race<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            // The waker is there before the flag is read, or a cancellation in between would wake nobody.
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            if self.is_set.load(Ordering::Acquire) {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}

/// Tells the worker how a call ended, also if its work is dropped before it has.
struct Report<R> {
    number: u64,
    ended: Sender<Ended<R>>,
    calling: Calling,
    result: Option<Result<R, BoxError>>,
}

impl<R> Report<R> {
    fn tell(mut self, result: Option<Result<R, BoxError>>) {
        self.result = result;
    }
}

impl<R> Drop for Report<R> {
    fn drop(&mut self) {
        let result = self.result.take().unwrap_or_else(|| Err(CallError::Vanished.into()));
        // A task that is gone wants no result.
        let _ = self.ended.send(Ended { number: self.number, result });
        (self.calling.waker)();
    }
}

/// Begins a call for a record. How it ended comes through `ended`, always.
pub(super) fn spawn<K, V, R>(
    calling: Calling,
    options: AsyncOptions,
    begin: Arc<Begin<K, V, R>>,
    record: Record<K, V>,
    number: u64,
    ended: Sender<Ended<R>>,
) -> Cancel
where
    K: Clone + Send + 'static,
    V: Clone + Send + 'static,
    R: Send + 'static,
{
    let cancelled = Arc::new(Cancelled::default());
    let (executor, cancel) = (calling.executor.clone(), Cancel(cancelled.clone()));
    let report = Report { number, ended, calling: calling.clone(), result: None };
    calling.executor.spawn(Box::pin(async move {
        report.tell(cancelled.race(attempts(executor, options, begin, record)).await);
    }));
    cancel
}

async fn attempts<K, V, R>(
    executor: Arc<dyn Executor>,
    options: AsyncOptions,
    begin: Arc<Begin<K, V, R>>,
    record: Record<K, V>,
) -> Result<R, BoxError>
where
    K: Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    let mut number = 0;
    loop {
        number += 1;
        let attempt = begin(record.clone());
        let last = match limited(attempt, executor.sleep(options.timeout), options.timeout).await {
            Ok(result) => return Ok(result),
            Err(error) => error,
        };
        if number >= options.retry.attempts {
            return Err(if number > 1 { Exhausted { attempts: number, last }.into() } else { last });
        }
        tracing::debug!(attempt = number, error = %last, "a call failed and is tried again");
        executor.sleep(options.retry.delay_after(number)).await;
    }
}

/// What the attempt says, unless the time is over first.
async fn limited<R>(
    mut attempt: Attempt<R>,
    mut over: crate::executor::Work,
    timeout: Duration,
) -> Result<R, BoxError> {
    poll_fn(|context| match attempt.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => over.as_mut().poll(context).map(|()| Err(CallError::TimedOut(timeout).into())),
    })
    .await
}
