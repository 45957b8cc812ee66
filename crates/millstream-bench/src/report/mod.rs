//! All that a command measured, as Markdown with plots beside it.

mod demands;
mod machine;
mod plots;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::comparison::{Comparison, grouped};
use crate::idle::Idle;
use crate::kafka_streams;
use crate::latency::Latency;
use crate::memory::Memory;
use crate::workloads::Workload;
use demands::{Verdict, verdicts};
use machine::Machine;

/// Everything that was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Results {
    pub(crate) comparisons: Vec<Comparison>,
    /// The same workload at least once and exactly once.
    pub(crate) exactly_once: Vec<Comparison>,
    /// A workload with several numbers of partitions, and with values of several sizes.
    pub(crate) sized: Vec<Comparison>,
    pub(crate) latencies: Vec<Latency>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) idle: Vec<Idle>,
}

/// Writes the report to `path`, and its plots beside it.
pub(crate) fn write(path: &Path, results: &Results, arguments: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    let stem = path.file_stem().context("the report's path has no file name")?.to_string_lossy().into_owned();
    let plots = plots::draw(results, folder, &stem)?;
    let text = markdown(results, &Machine::here(), arguments, &plots);
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn markdown(results: &Results, machine: &Machine, arguments: &str, plots: &[(String, String)]) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let mut line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    line("# Millstream compared\n");
    line(&format!("`cargo compare {arguments}`\n"));
    line(&format!("{machine}\n"));
    line(
        "Contestants and broker share the machine's processors, and whatever else runs there moves every figure: ratios \
         within this report tell more than the figures, and no more than the spread of the rounds lets them. \
         Processor time is the contestant's own, all of its process from its start; Kafka Streams' rows called *warm* \
         are a second pass over the data in the same virtual machine. There is no row for Millstream from YAML, as \
         Millstream has no pipeline language in YAML.\n",
    );
    line(&demands_table(&verdicts(results)));
    for comparison in &results.comparisons {
        line(&comparison_section(comparison));
    }
    if !results.exactly_once.is_empty() {
        line("## Exactly once beside at least once\n");
        for comparison in &results.exactly_once {
            line(&comparison_section(comparison));
        }
    }
    if !results.sized.is_empty() {
        line(&sized_section(&results.sized));
    }
    line(&other_tables(results));
    if !plots.is_empty() {
        line("## Plots\n");
        for (title, file) in plots {
            line(&format!("![{title}]({file})\n"));
        }
    }
    text
}

/// What the tables of workloads do not tell, as text.
pub(crate) fn other_tables(results: &Results) -> String {
    let mut sections = Vec::new();
    if !results.latencies.is_empty() {
        sections.push(latency_section(&results.latencies));
    }
    if !results.memory.is_empty() {
        sections.push(memory_section(&results.memory));
    }
    if !results.idle.is_empty() {
        sections.push(idle_section(&results.idle));
    }
    sections.join("\n")
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut lines = vec![format!("| {} |", head.join(" | "))];
    let rules: Vec<&str> = (0..head.len()).map(|column| if column == 0 { "---" } else { "--:" }).collect();
    lines.push(format!("|{}|", rules.join("|")));
    lines.extend(rows.into_iter().map(|cells| format!("| {} |", cells.join(" | "))));
    lines.join("\n") + "\n"
}

fn demands_table(verdicts: &[Verdict]) -> String {
    let rows = verdicts.iter().map(|verdict| {
        let found = verdict.found.map_or("not measured".to_owned(), |found| format!("{found:.2}"));
        vec![verdict.demand.clone(), verdict.bound.to_string(), found, verdict.word().to_owned()]
    });
    format!("## What is demanded\n\n{}", table(&["demand", "bound", "found", ""], rows))
}

fn comparison_section(comparison: &Comparison) -> String {
    let Comparison { workload, records, rounds, sizes, contestants } = comparison;
    let about = Workload::find(workload).map(|workload| format!("{}\n\n", workload.about)).unwrap_or_default();
    let rows = contestants.iter().map(|standing| {
        let spread = |spread: crate::comparison::Spread, digits: usize| {
            format!("{:.digits$} ({:.digits$}–{:.digits$})", spread.median, spread.min, spread.max)
        };
        let thousands = |number: f64| number / 1e3;
        let speed = crate::comparison::Spread {
            median: thousands(standing.records_per_s.median),
            min: thousands(standing.records_per_s.min),
            max: thousands(standing.records_per_s.max),
        };
        let outputs = if standing.are_outputs_compared { "" } else { " (held back)" };
        vec![
            standing.name.clone(),
            spread(speed, 1),
            format!("{:.2}", standing.records_per_s_ratio),
            spread(standing.cpu_us_per_record, 2),
            format!("{:.2}", standing.cpu_us_per_record_ratio),
            format!("{:.0}", standing.peak_rss_mb),
            format!("{}{outputs}", grouped(standing.outputs)),
            standing.changelog_records.map_or("–".to_owned(), grouped),
        ]
    });
    let head = [
        "contestant",
        "1,000 records/s (min–max)",
        "ratio",
        "CPU µs/record (min–max)",
        "ratio",
        "peak MB",
        "outputs",
        "changelog",
    ];
    let values =
        sizes.value_size.map_or("as in Nexmark".to_owned(), |size| format!("of {} bytes", grouped(size as u64)));
    let equal = match contestants.iter().any(|standing| standing.outputs > 0) {
        true => {
            " The outputs of all runs were read and are equal: key, value and timestamp of each record, in any order, if nothing \
             else is said above (those of caches, which hold changes back, are only counted)."
        }
        false => "",
    };
    format!(
        "## {workload}\n\n{about}{} records in {} partitions, values {values}; medians of {rounds} rounds.{equal}\n\n{}",
        grouped(*records),
        sizes.partitions,
        table(&head, rows)
    )
}

fn sized_section(comparisons: &[Comparison]) -> String {
    let rows = comparisons.iter().flat_map(|comparison| {
        comparison.contestants.iter().map(|standing| {
            vec![
                comparison.workload.clone(),
                standing.name.clone(),
                grouped(comparison.records),
                format!("{:.1}", standing.records_per_s.median / 1e3),
                format!("{:.2}", standing.records_per_s_ratio),
                format!("{:.2}", standing.cpu_us_per_record.median),
                format!("{:.2}", standing.cpu_us_per_record_ratio),
                format!("{:.0}", standing.peak_rss_mb),
            ]
        })
    });
    let head = ["workload", "contestant", "records", "1,000 records/s", "ratio", "CPU µs/record", "ratio", "peak MB"];
    format!(
        "## Partitions, and sizes of values\n\nAll outputs were read and are equal. CPU is that of the whole process from its \
         start, which is more for each record where there are fewer.\n\n{}",
        table(&head, rows)
    )
}

fn latency_section(latencies: &[Latency]) -> String {
    let rows = latencies.iter().map(|entry| {
        let summary = &entry.latency;
        vec![
            entry.name.clone(),
            format!("{} ms", entry.commits.interval_ms),
            grouped(entry.saturation.round() as u64),
            grouped(entry.rate.round() as u64),
            format!("{:.2}", summary.p50_ms),
            format!("{:.2}", summary.p99_ms),
            format!("{:.2}", summary.p999_ms),
            format!("{:.2}", summary.max_ms),
            grouped(summary.records),
        ]
    });
    let head =
        ["contestant", "commits every", "saturation", "records/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "records"];
    format!(
        "## Latency\n\nPass-through, from topic to topic. Records are due at a fixed rate whether or not earlier ones have come \
         out, and a latency runs from the time that a record was due to the time that a consumer has it (of exactly-once, \
         `read_committed`). The saturation is what comes out while as much as possible goes in; loader, contestant, broker \
         and reader share the processors.\n\n{}",
        table(&head, rows)
    )
}

fn memory_section(memory: &[Memory]) -> String {
    let rows = memory.iter().map(|memory| {
        vec![
            memory.keys.to_owned(),
            grouped(memory.rows),
            format!("{:.0}", memory.base_mb),
            format!("{:.0}", memory.store_mb),
            format!("{:.0}", memory.peak_mb),
            format!("{:.1}", memory.store_mb * 1e6 / memory.rows as f64),
        ]
    });
    format!(
        "## Memory\n\nA key-value store with keys of 8 bytes and whole numbers of 8 bytes as values: what the process has resident \
         beyond what it had before the first row. The peak is while the table grows.\n\n{}",
        table(&["keys", "rows", "base MB", "store MB", "peak MB", "bytes a row"], rows)
    )
}

fn idle_section(idle: &[Idle]) -> String {
    let rows = idle
        .iter()
        .map(|idle| vec![idle.name.clone(), format!("{:.2}", idle.cpu_ms_per_s), format!("{:.0}", idle.rss_mb)]);
    format!(
        "## Idle\n\nCount by key over an input of {} partitions without any record, for {} s.\n\n{}",
        crate::idle::PARTITIONS,
        crate::idle::MEASURED.as_secs(),
        table(&["contestant", "CPU ms a second", "MB"], rows)
    )
}

/// What contestants and broker are.
fn versions() -> Vec<(&'static str, String)> {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    vec![
        ("Millstream", env!("CARGO_PKG_VERSION").to_owned()),
        ("librdkafka", librdkafka),
        ("Kafka, Kafka Streams", kafka_streams::VERSION.to_owned()),
        ("Kafka Streams' heap", kafka_streams::HEAP.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::{comparison_of, standing};

    fn machine() -> Machine {
        Machine {
            processor: "A processor".to_owned(),
            processors: 2,
            memory_mb: 8_000,
            system: "Linux 1".to_owned(),
            java: None,
        }
    }

    #[test]
    fn the_report_has_machine_versions_demands_and_tables() {
        let contestants =
            vec![standing("librdkafka", 1_000_000.0, 1.0, 50.0), standing("millstream", 900_000.0, 1.1, 60.0)];
        let results = Results {
            comparisons: vec![comparison_of("pass-through", contestants.clone())],
            sized: vec![comparison_of("pass-through 16 partitions", contestants)],
            ..Results::default()
        };
        let plots = [("Speed".to_owned(), "report-speed.svg".to_owned())];
        let text = markdown(&results, &machine(), "all", &plots);
        for part in [
            "`cargo compare all`",
            "A processor",
            "librdkafka 2.",
            "no pipeline language in YAML",
            "Each record of the input goes unchanged",
            "| millstream | 900.0 (900.0–900.0) | 0.90 | 1.10 (1.10–1.10) | 1.10 | 60 | 0 | – |",
            "| pass-through 16 partitions | millstream | 5,000 | 900.0 | 0.90 | 1.10 | 1.10 | 60 |",
            "not measured",
            "![Speed](report-speed.svg)",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        // Every row of a table has as many cells as its head.
        for table in text.split("\n\n").filter(|part| part.starts_with('|')) {
            let cells: Vec<usize> = table.lines().map(|line| line.matches('|').count()).collect();
            assert!(cells.iter().all(|count| *count == cells[0]), "{table}");
        }
    }

    #[test]
    fn the_report_is_written_with_its_plots_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/report.md");
        let contestants = vec![standing("librdkafka", 1e6, 1.0, 50.0), standing("millstream", 9e5, 1.1, 60.0)];
        let results = Results { comparisons: vec![comparison_of("pass-through", contestants)], ..Results::default() };
        write(&path, &results, "all").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let plots: Vec<&str> = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
        assert!(!plots.is_empty());
        for plot in plots {
            let svg = fs::read_to_string(path.parent().unwrap().join(plot)).unwrap();
            assert!(svg.contains("<svg") && svg.contains("millstream"), "{plot}: {svg}");
        }
    }
}
