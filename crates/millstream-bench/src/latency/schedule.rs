//! When records are due.

use std::time::Duration;

/// Record n is due n / rate after the beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// When the first is due, after the start of all times.
    pub(super) begin: Duration,
    /// Records a second.
    pub(super) rate: f64,
}

impl Schedule {
    /// When record `number` is due, in ns after the start of all times.
    pub(super) fn due_ns(&self, number: u64) -> u64 {
        self.begin.as_nanos() as u64 + (number as f64 / self.rate * 1e9) as u64
    }

    /// How many records are due at `time` after the start of all times, whether or not they were sent.
    pub(super) fn due_at(&self, time: Duration) -> u64 {
        let Some(passed) = time.checked_sub(self.begin) else { return 0 };
        (passed.as_secs_f64() * self.rate) as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_a_fixed_rate_from_the_beginning_on() {
        let schedule = Schedule { begin: Duration::from_secs(2), rate: 1000.0 };
        assert_eq!(schedule.due_ns(0), 2_000_000_000);
        assert_eq!(schedule.due_ns(1500), 3_500_000_000);
        assert_eq!(schedule.due_at(Duration::from_secs(1)), 0);
        assert_eq!(schedule.due_at(Duration::from_secs(2)), 1);
        assert_eq!(schedule.due_at(Duration::from_millis(3_000)), 1001);
    }

    #[test]
    fn what_was_due_while_nothing_could_be_sent_keeps_its_time() {
        let schedule = Schedule { begin: Duration::ZERO, rate: 100.0 };
        let after = Duration::from_secs(5);
        let due: Vec<u64> = (0..schedule.due_at(after)).map(|number| schedule.due_ns(number)).collect();
        assert_eq!(due.len(), 501);
        assert_eq!(due[100], 1_000_000_000);
        assert!(due.iter().all(|due| *due <= after.as_nanos() as u64));
    }
}
