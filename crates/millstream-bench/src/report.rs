//! What the rounds come to, as JSON and as a table.

use std::fmt::Write;

use anyhow::{Result, ensure};
use serde::Serialize;

/// What one run measured; see the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) records_per_s: f64,
    /// User and system time of the whole process.
    pub(crate) cpu_s: f64,
    pub(crate) cpu_us_per_record: f64,
    pub(crate) peak_rss_mb: f64,
    pub(crate) outputs: u64,
    pub(crate) changelog_records: Option<u64>,
}

/// A contestant's medians.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Standing {
    name: &'static str,
    records_per_s: f64,
    /// The records a second by those of the first contestant.
    records_per_s_ratio: f64,
    cpu_s: f64,
    cpu_us_per_record: f64,
    peak_rss_mb: f64,
    outputs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    changelog_records: Option<u64>,
    /// The largest figure of a round less the smallest, by the median: the noise.
    records_per_s_spread: f64,
    cpu_us_per_record_spread: f64,
    #[serde(skip)]
    rounds: Vec<Figures>,
}

/// All contestants of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Comparison {
    workload: &'static str,
    records: u64,
    rounds: u32,
    contestants: Vec<Standing>,
}

impl Standing {
    /// `rounds` must not be empty.
    pub(crate) fn new(name: &'static str, rounds: Vec<Figures>) -> Self {
        let all = |figure: fn(&Figures) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
        let changelog: Option<Vec<f64>> =
            rounds.iter().map(|figures| figures.changelog_records.map(|records| records as f64)).collect();
        Standing {
            name,
            records_per_s: median(all(|figures| figures.records_per_s)),
            records_per_s_ratio: 1.0,
            cpu_s: median(all(|figures| figures.cpu_s)),
            cpu_us_per_record: median(all(|figures| figures.cpu_us_per_record)),
            peak_rss_mb: median(all(|figures| figures.peak_rss_mb)),
            outputs: rounds[0].outputs,
            changelog_records: changelog.map(|records| median(records).round() as u64),
            records_per_s_spread: spread(all(|figures| figures.records_per_s)),
            cpu_us_per_record_spread: spread(all(|figures| figures.cpu_us_per_record)),
            rounds,
        }
    }
}

impl Comparison {
    /// Fails if the outputs of any two runs differ in number.
    pub(crate) fn new(
        workload: &'static str,
        records: u64,
        rounds: u32,
        mut contestants: Vec<Standing>,
    ) -> Result<Self> {
        if let [first, others @ ..] = &mut contestants[..] {
            others.iter_mut().for_each(|other| other.records_per_s_ratio = other.records_per_s / first.records_per_s);
        }
        let runs = || contestants.iter().flat_map(|standing| standing.rounds.iter().map(|figures| figures.outputs));
        let equal = runs().all(|outputs| Some(outputs) == runs().next());
        let list = || {
            let one = |standing: &Standing| {
                let outputs: Vec<String> = standing.rounds.iter().map(|figures| grouped(figures.outputs)).collect();
                format!("{}: {}", standing.name, outputs.join(" and "))
            };
            contestants.iter().map(one).collect::<Vec<_>>().join("; ")
        };
        ensure!(equal, "{workload}: the outputs are not equal in number, so nothing can be compared: {}", list());
        Ok(Comparison { workload, records, rounds, contestants })
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// A table with a line for each contestant; ratios are to the first one.
    pub(crate) fn table(&self) -> String {
        let head = [
            "contestant",
            "records/s",
            "ratio",
            "±",
            "CPU s",
            "CPU µs/record",
            "ratio",
            "±",
            "peak MB",
            "outputs",
            "changelog",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        for standing in &self.contestants {
            let first = &self.contestants[0];
            rows.push([
                standing.name.to_owned(),
                grouped(standing.records_per_s.round() as u64),
                format!("{:.2}", standing.records_per_s_ratio),
                format!("{:.0} %", standing.records_per_s_spread * 50.0),
                format!("{:.2}", standing.cpu_s),
                format!("{:.2}", standing.cpu_us_per_record),
                format!("{:.2}", standing.cpu_us_per_record / first.cpu_us_per_record),
                format!("{:.0} %", standing.cpu_us_per_record_spread * 50.0),
                format!("{:.0}", standing.peak_rss_mb),
                grouped(standing.outputs),
                standing.changelog_records.map_or("-".to_owned(), grouped),
            ]);
        }
        let widths: Vec<usize> = (0..head.len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let (records, rounds) = (grouped(self.records), self.rounds);
        let mut table =
            format!("{}: {records} records, medians of {rounds} rounds, ± half the spread\n", self.workload);
        for row in &rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            // Writing into a String cannot fail.
            let _ = writeln!(table, "  {}", cells.collect::<Vec<_>>().join("  "));
        }
        table
    }
}

/// The middle one; of an even number the mean of the two in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() % 2 {
        0 => (figures[middle - 1] + figures[middle]) / 2.0,
        _ => figures[middle],
    }
}

fn spread(figures: Vec<f64>) -> f64 {
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (most - least) / median(figures)
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(records_per_s: f64, cpu_us_per_record: f64, outputs: u64) -> Figures {
        Figures { records_per_s, cpu_s: 2.5, cpu_us_per_record, peak_rss_mb: 120.4, outputs, changelog_records: None }
    }

    fn comparison() -> Comparison {
        let one = Standing::new("one", vec![figures(1_200_000.0, 1.0, 5_000), figures(800_000.0, 1.5, 5_000)]);
        let other = Standing::new("another", vec![figures(500_000.0, 2.5, 5_000), figures(500_000.0, 2.5, 5_000)]);
        Comparison::new("pass-through", 5_000, 2, vec![one, other]).unwrap()
    }

    #[test]
    fn the_table_has_medians_and_ratios_to_the_first() {
        let lines = [
            "pass-through: 5,000 records, medians of 2 rounds, ± half the spread",
            "  contestant  records/s  ratio     ±  CPU s  CPU µs/record  ratio     ±  peak MB  outputs  changelog",
            "  one         1,000,000   1.00  20 %   2.50           1.25   1.00  20 %      120    5,000          -",
            "  another       500,000   0.50   0 %   2.50           2.50   2.00   0 %      120    5,000          -",
        ];
        assert_eq!(comparison().table(), format!("{}\n", lines.join("\n")));
    }

    #[test]
    fn json_is_one_line() {
        let json = comparison().json().unwrap();
        assert!(!json.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["workload"], "pass-through");
        let first = serde_json::json!({
            "name": "one", "records_per_s": 1e6, "records_per_s_ratio": 1.0, "cpu_s": 2.5, "cpu_us_per_record": 1.25, "peak_rss_mb": 120.4, "outputs": 5000,
            "records_per_s_spread": 0.4, "cpu_us_per_record_spread": 0.4,
        });
        assert_eq!(value["contestants"][0], first);
    }

    #[test]
    fn unequal_outputs_are_an_error_that_names_them() {
        let one = Standing::new("one", vec![figures(1.0, 1.0, 5_000), figures(1.0, 1.0, 5_000)]);
        let other = Standing::new("another", vec![figures(1.0, 1.0, 5_000), figures(1.0, 1.0, 4_999)]);
        let error = Comparison::new("count", 5_000, 2, vec![one, other]).unwrap_err().to_string();
        assert!(error.ends_with("one: 5,000 and 5,000; another: 5,000 and 4,999"), "{error}");
    }

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
