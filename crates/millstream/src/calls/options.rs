use std::time::Duration;

/// How an asynchronous operator calls: how many calls at once, in which order, how long, how often.
///
/// ```
/// use std::time::Duration;
///
/// use millstream::prelude::*;
///
/// let options = AsyncOptions::new(64)
///     .order(CallOrder::PerPartition)
///     .timeout(Duration::from_secs(2))
///     .retry(Retry { attempts: 5, ..Retry::default() });
/// assert_eq!(options.concurrency, 64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AsyncOptions {
    /// How many calls of one task are under way at most; at least 1.
    pub concurrency: usize,
    /// In which order the calls begin and their results come.
    pub order: CallOrder,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// What is done about an attempt that failed.
    pub retry: Retry,
}

/// What follows what, among the calls of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallOrder {
    /// Calls for one key come one after another, and so do their results; those for other keys do not wait for them.
    PerKey,
    /// Calls overlap, and results come in the order of the records: a slow call holds back the results after it.
    PerPartition,
    /// Calls overlap, and each result comes when it is there, also those for one key.
    None,
}

/// How often a call is tried, and how long is waited in between. A call that waits counts as one under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// How many attempts there are, the first one included; 1 is no retry.
    pub attempts: u32,
    /// How long is waited after the first attempt.
    pub first_delay: Duration,
    /// By what the delay grows from one attempt to the next; at least 1.
    pub factor: f64,
    /// How long is waited at most.
    pub max_delay: Duration,
}

impl AsyncOptions {
    /// The defaults, with so many calls at once: ordered by key, 10 s for an attempt, and [`Retry::default`].
    ///
    /// A commit waits for all calls that began before it: all attempts together should stay well below the producer's
    /// transaction timeout (60 s unless set otherwise).
    pub fn new(concurrency: usize) -> Self {
        let (order, timeout, retry) = (CallOrder::PerKey, Duration::from_secs(10), Retry::default());
        AsyncOptions { concurrency, order, timeout, retry }
    }

    /// With this order.
    pub fn order(self, order: CallOrder) -> Self {
        AsyncOptions { order, ..self }
    }

    /// With so much time for each attempt.
    pub fn timeout(self, timeout: Duration) -> Self {
        AsyncOptions { timeout, ..self }
    }

    /// With these retries.
    pub fn retry(self, retry: Retry) -> Self {
        AsyncOptions { retry, ..self }
    }
}

impl Retry {
    /// One attempt alone.
    pub fn never() -> Self {
        Retry { attempts: 1, ..Retry::default() }
    }

    /// How long is waited after an attempt, counted from 1.
    pub(super) fn delay_after(&self, attempt: u32) -> Duration {
        let seconds = self.first_delay.as_secs_f64() * self.factor.max(1.0).powf(f64::from(attempt.saturating_sub(1)));
        // What is too large to be a duration is too large for the limit, too.
        Duration::try_from_secs_f64(seconds).map_or(self.max_delay, |delay| delay.min(self.max_delay))
    }
}

impl Default for Retry {
    /// Three attempts, with 100 ms and 200 ms in between.
    fn default() -> Self {
        let (first_delay, max_delay) = (Duration::from_millis(100), Duration::from_secs(10));
        Retry { attempts: 3, first_delay, factor: 2.0, max_delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_their_limit() {
        let retry = Retry { attempts: 9, max_delay: Duration::from_millis(500), ..Retry::default() };
        let delays = [1, 2, 3, 4, u32::MAX].map(|attempt| retry.delay_after(attempt).as_millis());
        assert_eq!(delays, [100, 200, 400, 500, 500]);
        let shrinking = Retry { factor: 0.5, ..retry };
        assert_eq!(shrinking.delay_after(3), retry.first_delay, "it never shrinks");
    }
}
