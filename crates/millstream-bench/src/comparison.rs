//! What the rounds of a workload come to, as JSON and as a table.

use std::fmt::Write;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::outputs::Outputs;
use crate::parameters::Sizes;

/// What one run measured; see the crate's documentation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) records_per_s: f64,
    /// User and system time of the whole process.
    pub(crate) cpu_s: f64,
    pub(crate) cpu_us_per_record: f64,
    pub(crate) peak_rss_mb: f64,
    pub(crate) outputs: Outputs,
    pub(crate) changelog_records: Option<u64>,
}

/// The least, the middle and the most of several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `figures` must not be empty.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => (figures[middle - 1] + figures[middle]) / 2.0,
            _ => figures[middle],
        };
        Spread { median, min: figures[0], max: figures[figures.len() - 1] }
    }

    /// Half of what lies between the least and the most, by the median: the noise.
    pub(crate) fn noise(&self) -> f64 {
        (self.max - self.min) / 2.0 / self.median
    }
}

/// A contestant's rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) records_per_s: Spread,
    /// The records a second by those of the first contestant.
    pub(crate) records_per_s_ratio: f64,
    pub(crate) cpu_s: f64,
    pub(crate) cpu_us_per_record: Spread,
    /// By the first contestant's.
    pub(crate) cpu_us_per_record_ratio: f64,
    pub(crate) peak_rss_mb: f64,
    pub(crate) outputs: u64,
    /// Whether the outputs are to be those of the others.
    pub(crate) are_outputs_compared: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changelog_records: Option<u64>,
    #[serde(skip)]
    written: Vec<Outputs>,
}

/// All contestants of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Comparison {
    pub(crate) workload: String,
    pub(crate) records: u64,
    pub(crate) rounds: u32,
    pub(crate) sizes: Sizes,
    pub(crate) contestants: Vec<Standing>,
}

impl Standing {
    /// `rounds` must not be empty.
    pub(crate) fn new(name: String, are_outputs_compared: bool, rounds: &[Figures]) -> Self {
        let all = |figure: fn(&Figures) -> f64| Spread::of(rounds.iter().map(figure));
        let changelog: Option<Vec<f64>> =
            rounds.iter().map(|figures| figures.changelog_records.map(|records| records as f64)).collect();
        let outputs = all(|figures| figures.outputs.records as f64).median;
        Standing {
            name,
            records_per_s: all(|figures| figures.records_per_s),
            records_per_s_ratio: 1.0,
            cpu_s: all(|figures| figures.cpu_s).median,
            cpu_us_per_record: all(|figures| figures.cpu_us_per_record),
            cpu_us_per_record_ratio: 1.0,
            peak_rss_mb: all(|figures| figures.peak_rss_mb).median,
            outputs: outputs.round() as u64,
            are_outputs_compared,
            changelog_records: changelog.map(|records| Spread::of(records).median.round() as u64),
            written: rounds.iter().map(|figures| figures.outputs).collect(),
        }
    }
}

impl Comparison {
    /// Fails if the outputs of any two runs differ, where they are to be compared.
    pub(crate) fn new(
        workload: String,
        records: u64,
        rounds: u32,
        sizes: Sizes,
        mut contestants: Vec<Standing>,
    ) -> Result<Self> {
        if let [first, others @ ..] = &mut contestants[..] {
            for other in others {
                other.records_per_s_ratio = other.records_per_s.median / first.records_per_s.median;
                other.cpu_us_per_record_ratio = other.cpu_us_per_record.median / first.cpu_us_per_record.median;
            }
        }
        let compared = || contestants.iter().filter(|standing| standing.are_outputs_compared);
        let mut all = compared().flat_map(|standing| &standing.written);
        let first = all.next();
        let are_equal = all.all(|outputs| Some(outputs) == first);
        let text = |standing: &Standing| {
            let outputs = standing.written.iter();
            let outputs: Vec<String> =
                outputs.map(|outputs| format!("{} ({:016x})", grouped(outputs.records), outputs.digest)).collect();
            format!("{}: {}", standing.name, outputs.join(" and "))
        };
        let texts: Vec<String> = compared().map(text).collect();
        ensure!(
            are_equal,
            "{workload}: the outputs differ in number or (in parentheses, the sum of their hashes) in contents: {}",
            texts.join("; ")
        );
        Ok(Comparison { workload, records, rounds, sizes, contestants })
    }

    /// The contestant with this name.
    pub(crate) fn standing(&self, name: &str) -> Option<&Standing> {
        self.contestants.iter().find(|standing| standing.name == name)
    }

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
            rows.push([
                standing.name.clone(),
                grouped(standing.records_per_s.median.round() as u64),
                format!("{:.2}", standing.records_per_s_ratio),
                format!("{:.0} %", standing.records_per_s.noise() * 100.0),
                format!("{:.2}", standing.cpu_s),
                format!("{:.2}", standing.cpu_us_per_record.median),
                format!("{:.2}", standing.cpu_us_per_record_ratio),
                format!("{:.0} %", standing.cpu_us_per_record.noise() * 100.0),
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

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
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
pub(crate) mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { records: 5_000, keys: 1, partitions: 4, value_size: None };

    fn figures(records_per_s: f64, cpu_us_per_record: f64, outputs: Outputs) -> Figures {
        Figures { records_per_s, cpu_s: 2.5, cpu_us_per_record, peak_rss_mb: 120.4, outputs, changelog_records: None }
    }

    const ALL: Outputs = Outputs { records: 5_000, digest: 77 };

    /// A standing of one round without outputs.
    pub(crate) fn standing(name: &str, records_per_s: f64, cpu_us_per_record: f64, peak_rss_mb: f64) -> Standing {
        let figures = Figures { peak_rss_mb, ..figures(records_per_s, cpu_us_per_record, Outputs::default()) };
        Standing::new(name.to_owned(), true, &[figures])
    }

    pub(crate) fn comparison_of(workload: &str, contestants: Vec<Standing>) -> Comparison {
        Comparison::new(workload.to_owned(), 5_000, 2, SIZES, contestants).unwrap()
    }

    fn comparison() -> Comparison {
        let one = Standing::new("one".into(), true, &[figures(1_200_000.0, 1.0, ALL), figures(800_000.0, 1.5, ALL)]);
        let another = [figures(500_000.0, 2.5, ALL), figures(500_000.0, 2.5, ALL)];
        comparison_of("pass-through", vec![one, Standing::new("another".into(), true, &another)])
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
        assert_eq!(value["sizes"]["partitions"], 4);
        let first = serde_json::json!({
            "name": "one", "records_per_s": {"median": 1e6, "min": 8e5, "max": 1.2e6}, "records_per_s_ratio": 1.0,
            "cpu_s": 2.5, "cpu_us_per_record": {"median": 1.25, "min": 1.0, "max": 1.5}, "cpu_us_per_record_ratio": 1.0,
            "peak_rss_mb": 120.4, "outputs": 5000, "are_outputs_compared": true,
        });
        assert_eq!(value["contestants"][0], first);
    }

    #[test]
    fn unequal_outputs_are_an_error_that_names_them() {
        let less = Outputs { records: 4_999, digest: 77 };
        let changed = Outputs { records: 5_000, digest: 78 };
        for other in [less, changed] {
            let one = Standing::new("one".into(), true, &[figures(1.0, 1.0, ALL), figures(1.0, 1.0, ALL)]);
            let another = Standing::new("other".into(), true, &[figures(1.0, 1.0, ALL), figures(1.0, 1.0, other)]);
            let error = Comparison::new("count".into(), 5_000, 2, SIZES, vec![one, another]).unwrap_err().to_string();
            let both = format!("5,000 (000000000000004d) and {} ({:016x})", grouped(other.records), other.digest);
            assert!(
                error.ends_with(&format!("one: 5,000 (000000000000004d) and 5,000 (000000000000004d); other: {both}")),
                "{error}"
            );
        }
    }

    #[test]
    fn outputs_that_hold_changes_back_are_not_compared() {
        let less = Outputs { records: 4_999, digest: 7 };
        let one = Standing::new("one".into(), true, &[figures(1.0, 1.0, ALL)]);
        let cached = Standing::new("cached".into(), false, &[figures(1.0, 1.0, less)]);
        assert_eq!(comparison_of("count", vec![one, cached]).standing("cached").unwrap().outputs, 4_999);
    }

    #[test]
    fn spreads_of_odd_and_even_numbers() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).noise(), 0.6);
    }
}
