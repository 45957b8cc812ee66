use crate::record::Timestamp;

/// When something that failed is tried again: after 100 ms, then 200 ms, and so on up to 10 s.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    /// When it failed last, and for how long, in ms, nothing is tried since.
    waiting: Option<(Timestamp, i64)>,
}

const FIRST_MS: i64 = 100;
const MOST_MS: i64 = 10_000;

impl Backoff {
    /// It failed. Returns how long, in ms, it is not tried again.
    pub(super) fn failed(&mut self, now: Timestamp) -> i64 {
        let ms = (FIRST_MS << self.failures.min(16)).min(MOST_MS);
        self.failures = self.failures.saturating_add(1);
        self.waiting = Some((now, ms));
        ms
    }

    pub(super) fn succeeded(&mut self) {
        *self = Backoff::default();
    }

    /// Whether it is too early to try again. A clock that was set back ends the waiting.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        self.waiting.is_some_and(|(since, ms)| (0..ms).contains(&now.saturating_sub(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn waits_twice_as_long_each_time_up_to_a_limit() {
        let mut backoff = Backoff::default();
        assert!(!backoff.is_waiting(0));
        let waited: Vec<i64> = (0..9).map(|_| backoff.failed(0)).collect();
        assert_eq!(waited, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert!(backoff.is_waiting(9_999) && !backoff.is_waiting(10_000));
        backoff.succeeded();
        assert!(!backoff.is_waiting(1));
        assert_eq!(backoff.failed(50), 100);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_it_wait_longer() {
        let mut backoff = Backoff::default();
        backoff.failed(1_000_000);
        assert!(backoff.is_waiting(1_000_050) && !backoff.is_waiting(500));
    }
}
