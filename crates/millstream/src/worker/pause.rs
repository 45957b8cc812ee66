use std::time::Duration;

/// How long the group's thread does not try again what failed: 100 ms, then 200 ms, and so on up to 10 s. It has no clock,
/// and counts how long it polls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    left: Duration,
}

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(10);

impl Pause {
    /// It failed. Returns how long it is not tried again.
    pub(super) fn failed(&mut self) -> Duration {
        self.left = (FIRST * (1 << self.failures.min(10))).min(MOST);
        self.failures = self.failures.saturating_add(1);
        self.left
    }

    pub(super) fn succeeded(&mut self) {
        *self = Pause::default();
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.left.is_zero()
    }

    /// How long to poll in a turn of up to `timeout`. One that does not wait ends the pause: somebody steps without time.
    pub(super) fn pass(&mut self, timeout: Duration) -> Duration {
        let turn = timeout.min(self.left);
        self.left = if timeout.is_zero() { Duration::ZERO } else { self.left - turn };
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_over_when_it_was_polled_for_so_long() {
        let mut pause = Pause::default();
        let waited: Vec<u128> = (0..9).map(|_| pause.failed().as_millis()).collect();
        assert_eq!(waited, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        pause.succeeded();
        pause.failed();
        let turns: Vec<u128> = (0..3).map(|_| pause.pass(Duration::from_millis(40)).as_millis()).collect();
        assert_eq!((turns, pause.is_pending()), (vec![40, 40, 20], false));
    }

    #[test]
    fn nobody_without_time_waits() {
        let mut pause = Pause::default();
        pause.failed();
        assert_eq!(pause.pass(Duration::ZERO), Duration::ZERO);
        assert!(!pause.is_pending());
    }
}
