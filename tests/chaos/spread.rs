use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// How measured times are spread, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Spread {
    pub(crate) min: u64,
    pub(crate) median: u64,
    pub(crate) p95: u64,
    pub(crate) max: u64,
}

impl Spread {
    /// Of no times at all: zeros.
    pub(crate) fn of(times: &[Duration]) -> Spread {
        let mut times: Vec<u64> = times.iter().map(|time| time.as_millis() as u64).collect();
        times.sort_unstable();
        // The smallest time that so many of all times do not exceed.
        let at =
            |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or_default();
        Spread { min: at(0), median: at(50), p95: at(95), max: at(100) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "min {} ms, median {} ms, p95 {} ms, max {} ms", self.min, self.median, self.p95, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let times: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
        assert_eq!(Spread::of(&times), Spread { min: 1, median: 10, p95: 19, max: 20 });
        assert_eq!(Spread::of(&times[..1]), Spread { min: 20, median: 20, p95: 20, max: 20 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
