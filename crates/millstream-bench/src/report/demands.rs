//! What Millstream is to reach, and whether it does.

use std::fmt;

use super::Results;
use crate::comparison::{Comparison, Standing};
use crate::latency::Latency;
use crate::parameters::Guarantee;

const LIMIT: &str = "librdkafka";
const OURS: &str = "millstream";

/// Warm, without its cache, in memory: the best that Kafka Streams does at equal outputs.
const THEIRS: &str = "kafka-streams warm";
const THEIRS_COLD: &str = "kafka-streams";
const THEIRS_CACHED: &str = "kafka-streams-cache warm";

/// What a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::AtLeast(bound) => write!(f, "≥ {bound:.2}"),
            Bound::AtMost(bound) => write!(f, "≤ {bound:.2}"),
        }
    }
}

/// One demand.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) demand: String,
    pub(super) bound: Bound,
    /// `None` where it was not measured.
    pub(super) found: Option<f64>,
}

impl Verdict {
    fn is_met(&self) -> Option<bool> {
        self.found.map(|found| match self.bound {
            Bound::AtLeast(bound) => found >= bound,
            Bound::AtMost(bound) => found <= bound,
        })
    }

    pub(super) fn word(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "**not met**",
            None => "",
        }
    }
}

/// All demands, in their order.
pub(super) fn verdicts(results: &Results) -> Vec<Verdict> {
    let find = |workload: &str| results.comparisons.iter().find(|comparison| comparison.workload == workload);
    let (pass, count, restore) = (find("pass-through"), find("count"), find("restore"));
    let mut verdicts = Vec::new();
    let mut add = |demand: &str, bound: Bound, found: Option<f64>| {
        verdicts.push(Verdict { demand: demand.to_owned(), bound, found });
    };
    let speed = |standing: &Standing| standing.records_per_s.median;
    let cpu = |standing: &Standing| standing.cpu_us_per_record.median;
    let memory = |standing: &Standing| standing.peak_rss_mb;

    add("pass-through: records/s by librdkafka's", Bound::AtLeast(0.85), ratio(pass, LIMIT, speed));
    add("pass-through: CPU by librdkafka's", Bound::AtMost(1.2), ratio(pass, LIMIT, cpu));
    add("pass-through: records/s by Kafka Streams' (warm)", Bound::AtLeast(1.7), ratio(pass, THEIRS, speed));
    add("pass-through: CPU by Kafka Streams' (warm)", Bound::AtMost(1.0 / 5.0), ratio(pass, THEIRS, cpu));
    add("pass-through: CPU by Kafka Streams' (cold)", Bound::AtMost(1.0 / 5.0), ratio(pass, THEIRS_COLD, cpu));
    add("count: CPU by librdkafka's", Bound::AtMost(1.3), ratio(count, LIMIT, cpu));
    add("count: CPU by Kafka Streams' (warm, equal outputs)", Bound::AtMost(1.0 / 6.0), ratio(count, THEIRS, cpu));
    add("count: CPU by Kafka Streams' (cold, equal outputs)", Bound::AtMost(1.0 / 6.0), ratio(count, THEIRS_COLD, cpu));
    add("count: CPU by Kafka Streams' (warm, cache on)", Bound::AtMost(1.0 / 6.0), ratio(count, THEIRS_CACHED, cpu));
    add("count: peak memory by Kafka Streams'", Bound::AtMost(1.0 / 8.0), ratio(count, THEIRS_COLD, memory));
    for workload in ["pass-through", "count"] {
        let found = results.exactly_once.iter().find(|comparison| comparison.workload.ends_with(workload));
        let (once, least) = (name(Guarantee::ExactlyOnce), name(Guarantee::AtLeastOnce));
        let share = found.and_then(|found| Some(speed(found.standing(&once)?) / speed(found.standing(&least)?)));
        add(&format!("{workload}: exactly-once records/s by at-least-once"), Bound::AtLeast(0.9), share);
    }
    let latency = |guarantee| {
        let of = move |entry: &&Latency| entry.name == name(guarantee);
        results.latencies.iter().find(of)
    };
    let least = latency(Guarantee::AtLeastOnce);
    add(
        "latency at half of saturation, at least once: p50 in ms",
        Bound::AtMost(5.0),
        least.map(|of| of.latency.p50_ms),
    );
    add(
        "latency at half of saturation, at least once: p99 in ms",
        Bound::AtMost(20.0),
        least.map(|of| of.latency.p99_ms),
    );
    let once = latency(Guarantee::ExactlyOnce);
    let bound = Bound::AtMost(once.map_or(100, |of| of.commits.interval_ms) as f64 + 20.0);
    add("latency at half of saturation, exactly once: p99 in ms", bound, once.map(|of| of.latency.p99_ms));
    add("restore: records/s by raw reading", Bound::AtLeast(0.7), ratio(restore, LIMIT, speed));
    for memory in &results.memory {
        // The bound is for ten million; fewer rows take less.
        let bound = Bound::AtMost(640.0 * memory.rows as f64 / 1e7);
        add(&format!("memory: {} as keys, MB", memory.keys), bound, Some(memory.store_mb));
    }
    verdicts
}

/// The name of Millstream's entrant with this guarantee.
fn name(guarantee: Guarantee) -> String {
    format!("{OURS} {}", guarantee.name())
}

fn ratio(comparison: Option<&Comparison>, to: &str, figure: impl Fn(&Standing) -> f64) -> Option<f64> {
    let comparison = comparison?;
    Some(figure(comparison.standing(OURS)?) / figure(comparison.standing(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::{comparison_of, standing};
    use crate::latency::Summary;
    use crate::memory::Memory;
    use crate::parameters::Commits;

    fn found(results: &Results, demand: &str) -> (Option<f64>, &'static str) {
        let all = verdicts(results);
        let verdict = all.iter().find(|verdict| verdict.demand == demand).unwrap_or_else(|| panic!("no {demand}"));
        (verdict.found.map(|found| (found * 1000.0).round() / 1000.0), verdict.word())
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_not() {
        let all = verdicts(&Results::default());
        assert!(all.len() > 10 && all.iter().all(|verdict| verdict.found.is_none() && verdict.word().is_empty()));
    }

    #[test]
    fn ratios_are_of_millstream_by_the_other() {
        let pass = comparison_of(
            "pass-through",
            vec![
                standing("librdkafka", 1000.0, 1.0, 50.0),
                standing("millstream", 900.0, 1.25, 60.0),
                standing("kafka-streams", 300.0, 7.0, 600.0),
                standing("kafka-streams warm", 500.0, 5.0, 600.0),
            ],
        );
        let results = Results { comparisons: vec![pass], ..Results::default() };
        assert_eq!(found(&results, "pass-through: records/s by librdkafka's"), (Some(0.9), "met"));
        assert_eq!(found(&results, "pass-through: CPU by librdkafka's"), (Some(1.25), "**not met**"));
        assert_eq!(found(&results, "pass-through: records/s by Kafka Streams' (warm)"), (Some(1.8), "met"));
        assert_eq!(found(&results, "pass-through: CPU by Kafka Streams' (warm)"), (Some(0.25), "**not met**"));
        assert_eq!(found(&results, "pass-through: CPU by Kafka Streams' (cold)"), (Some(0.179), "met"));
        assert_eq!(found(&results, "count: CPU by librdkafka's"), (None, ""));
    }

    #[test]
    fn exactly_once_is_judged_by_its_own_at_least_once() {
        let comparison = comparison_of(
            "exactly-once count",
            vec![
                standing("millstream at-least-once", 1000.0, 1.0, 1.0),
                standing("millstream exactly-once", 890.0, 1.0, 1.0),
            ],
        );
        let results = Results { exactly_once: vec![comparison], ..Results::default() };
        assert_eq!(found(&results, "count: exactly-once records/s by at-least-once"), (Some(0.89), "**not met**"));
    }

    #[test]
    fn latency_exactly_once_has_a_commit_interval_and_20_ms() {
        let latency = |guarantee, p99_ms| Latency {
            name: name(guarantee),
            commits: Commits { guarantee, interval_ms: 50 },
            saturation: 2.0,
            rate: 1.0,
            seconds: 1.0,
            latency: Summary { records: 1, p50_ms: 4.0, p99_ms, p999_ms: 99.0, max_ms: 99.0 },
        };
        let latencies = vec![latency(Guarantee::AtLeastOnce, 21.0), latency(Guarantee::ExactlyOnce, 70.0)];
        let results = Results { latencies, ..Results::default() };
        let of = |text: &str| found(&results, &format!("latency at half of saturation, {text} in ms")).1;
        assert_eq!(
            [of("at least once: p50"), of("at least once: p99"), of("exactly once: p99")],
            ["met", "**not met**", "met"]
        );
    }

    #[test]
    fn memory_is_judged_by_the_row() {
        let memory = |rows, store_mb| Memory { keys: "texts", rows, base_mb: 5.0, store_mb, peak_mb: 900.0 };
        for (rows, store_mb, word) in
            [(10_000_000, 641.0, "**not met**"), (10_000_000, 640.0, "met"), (1_000_000, 65.0, "**not met**")]
        {
            let results = Results { memory: vec![memory(rows, store_mb)], ..Results::default() };
            assert_eq!(found(&results, "memory: texts as keys, MB").1, word);
        }
    }
}
