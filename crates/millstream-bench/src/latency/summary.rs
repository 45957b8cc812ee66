use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that can be told, in ns: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// Figures are exact to this many digits.
const DIGITS: u8 = 3;

/// Latencies of records.
pub(super) struct Latencies(Histogram<u64>);

/// What came of them; times in ms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) records: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Latencies {
    pub(super) fn new() -> Result<Self> {
        Ok(Latencies(Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)?))
    }

    /// A record that was due at one time, and came out at another: ns after the same start.
    pub(super) fn record(&mut self, due_ns: u64, out_ns: u64) {
        self.0.saturating_record(out_ns.saturating_sub(due_ns).max(1));
    }

    pub(super) fn summary(&self) -> Summary {
        let ms = |ns: u64| ns as f64 / 1e6;
        let quantile = |quantile| ms(self.0.value_at_quantile(quantile));
        Summary {
            records: self.0.len(),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: ms(self.0.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latency::schedule::Schedule;

    const MS: u64 = 1_000_000;

    fn is_about(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected * 0.002
    }

    #[test]
    fn quantiles_of_a_thousand_latencies() {
        let mut latencies = Latencies::new().unwrap();
        (1..=1000).for_each(|ms| latencies.record(5 * MS, (5 + ms) * MS));
        let summary = latencies.summary();
        assert_eq!(summary.records, 1000);
        for (found, expected) in
            [(summary.p50_ms, 500.0), (summary.p99_ms, 990.0), (summary.p999_ms, 999.0), (summary.max_ms, 1000.0)]
        {
            assert!(is_about(found, expected), "{found}, expected {expected}");
        }
    }

    /// Answers take 1 ms, and from 4 s to 5 s nothing moves: nor is anything sent. From when a record was sent, one in a
    /// thousand took long; from when it was due, one in ten did.
    #[test]
    fn a_standstill_counts_for_all_that_was_due_in_it() {
        let schedule = Schedule { begin: Duration::ZERO, rate: 1000.0 };
        let (mut from_due, mut from_sent) = (Latencies::new().unwrap(), Latencies::new().unwrap());
        for number in 0..10_000 {
            let due = schedule.due_ns(number);
            let is_still = (4_000 * MS..5_000 * MS).contains(&due);
            let sent = if is_still { 5_000 * MS } else { due };
            from_due.record(due, sent + MS);
            from_sent.record(sent, sent + MS);
        }
        assert!(is_about(from_sent.summary().p99_ms, 1.0));
        let corrected = from_due.summary();
        assert!(is_about(corrected.p50_ms, 1.0), "{corrected:?}");
        assert!(is_about(corrected.p99_ms, 901.0), "{corrected:?}");
        assert!(is_about(corrected.max_ms, 1001.0), "{corrected:?}");
    }

    #[test]
    fn a_clock_that_seems_to_go_back_is_no_latency() {
        let mut latencies = Latencies::new().unwrap();
        latencies.record(7, 5);
        assert!(latencies.summary().max_ms < 0.001);
    }
}
