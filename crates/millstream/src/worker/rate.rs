use crate::record::Timestamp;

/// How fast a restore gets on, by the clock that workers are stepped with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    /// The last sample: when, and how many records and offsets were done.
    last: Option<(Timestamp, u64, u64)>,
    /// A second; none before the second sample.
    records: f64,
    offsets: f64,
    is_known: bool,
}

/// How far samples are apart, in ms, at least; and at most, as the clock was set forward then.
const SAMPLE_MS: i64 = 1_000;
const JUMP_MS: i64 = 30_000;
/// How much the newest sample counts.
const WEIGHT: f64 = 0.4;

impl Rate {
    pub(super) fn note(&mut self, records: u64, offsets: u64, now: Timestamp) {
        let Some((at, records_then, offsets_then)) = self.last else {
            self.last = Some((now, records, offsets));
            return;
        };
        let ms = now.saturating_sub(at);
        if (0..SAMPLE_MS).contains(&ms) {
            return;
        }
        self.last = Some((now, records, offsets));
        if !(0..JUMP_MS).contains(&ms) {
            // The clock was set. What was known is better than what this says.
            return;
        }
        let weight = if self.is_known { WEIGHT } else { 1.0 };
        let per_second = |done: u64, then: u64| done.saturating_sub(then) as f64 * 1000.0 / ms as f64;
        self.records += weight * (per_second(records, records_then) - self.records);
        self.offsets += weight * (per_second(offsets, offsets_then) - self.offsets);
        self.is_known = true;
    }

    pub(super) fn records_per_second(&self) -> u64 {
        self.records.round() as u64
    }

    /// How long so many offsets will take; `None` while nobody can say, as when nothing comes.
    pub(super) fn seconds_left(&self, offsets: u64) -> Option<u64> {
        (self.is_known && self.offsets >= 0.5).then(|| (offsets as f64 / self.offsets).ceil() as u64)
    }

    /// The rate of all of these together.
    pub(super) fn sum<'a>(rates: impl Iterator<Item = &'a Rate>) -> Rate {
        rates.fold(Rate::default(), |sum, rate| Rate {
            last: None,
            records: sum.records + rate.records,
            offsets: sum.offsets + rate.offsets,
            is_known: sum.is_known || rate.is_known,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn follows_what_comes_and_says_how_long_it_takes() {
        let mut rate = Rate::default();
        assert_eq!(rate.seconds_left(10), None);
        for second in 0..30_u64 {
            rate.note(second * 500, second * 1_000, 5_000 + second as i64 * 1_000);
        }
        assert_eq!((rate.records_per_second(), rate.seconds_left(59_500)), (500, Some(60)));
        // Twice as fast from here on.
        for second in 1..20_u64 {
            rate.note(14_500 + second * 1_000, 29_000 + second * 2_000, 34_000 + second as i64 * 1_000);
        }
        assert_eq!((rate.records_per_second(), rate.seconds_left(59_000)), (1_000, Some(30)));
    }

    #[test]
    fn steps_closer_than_a_second_are_one_sample() {
        let mut rate = Rate::default();
        for ms in 0..=5_000_u64 {
            rate.note(ms / 10, ms / 10, ms as i64);
        }
        assert_eq!((rate.records_per_second(), rate.seconds_left(1_000)), (100, Some(10)));
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing() {
        let mut rate = Rate::default();
        let mut done = 0;
        let mut run = |rate: &mut Rate, from: i64| {
            for second in 0..5 {
                done += 1_000;
                rate.note(done, done, from + second * 1_000);
            }
            assert_eq!((rate.records_per_second(), rate.seconds_left(5_000)), (1_000, Some(5)), "from {from}");
        };
        for from in [1_000_000, 500, 90_000_000, 7] {
            run(&mut rate, from);
        }
    }

    #[test]
    fn what_stands_still_has_no_end() {
        let mut rate = Rate::default();
        for second in 0..60 {
            rate.note(100, 100, second * 1_000);
        }
        assert_eq!((rate.records_per_second(), rate.seconds_left(1)), (0, None));
    }
}
