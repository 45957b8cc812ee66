use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use serde::Serialize;

use crate::cluster::Cluster;
use crate::compare::compare;
use crate::contestant::{CONTESTANT, Contestant};
use crate::kafka_streams;
use crate::latency::{self, Load};
use crate::loaded::Loaded;
use crate::parameters::{Commits, Guarantee, Sizes};
use crate::plan::{EXACTLY_ONCE_INTERVAL_MS, Plan, Step, entrants, twice};
use crate::report::{self, Results};
use crate::{idle, memory, millstream_contestant};

const NOISE: &str = "Whatever else runs on this machine moves every figure, and the broker shares its processors: trust \
                     ratios between contestants of one command alone, and no further than the rounds agree.";

/// Where the report of `all` goes if nothing else is said, in Cargo's target folder.
const REPORT: &str = "compare/report.md";

/// Runs the contestants of a workload in turn on a real Kafka.
#[derive(Parser)]
#[command(name = "cargo compare", after_help = NOISE)]
struct Arguments {
    /// What they do: `pass-through`, `filter`, `count`, `count-zipf`, `tumbling`, `hopping`, `stream-table-join`,
    /// `stream-stream-join`, `theodolite-uc1`, `-uc2`, `-uc3`, `shuffle-bench`, `restore`; or `exactly-once` (pass-through and count
    /// with both guarantees), `partitions` and `value-sizes` (pass-through with several), `latency`, `memory`, `idle`; or
    /// `all`, one after the other, with a report.
    workload: String,
    /// How many bids they read.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// How many keys the changelog of `restore` has.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// How many rows the store of `memory` gets.
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// How many partitions each topic has; `idle` takes 64.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=256))]
    partitions: i32,
    /// How many bytes a bid's value has; without it about 200, as in Nexmark.
    #[arg(long, value_parser = clap::value_parser!(u64).range(64..=10_240))]
    value_size: Option<u64>,
    /// What a crash may do to results; `exactly-once` and `latency` measure both.
    #[arg(long, value_enum, default_value = "at-least-once")]
    guarantee: Guarantee,
    /// How much time passes between two commits, in ms; without it 1000 at least once and 100 exactly once, and 100 both in
    /// `exactly-once`.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    commit_interval_ms: Option<u64>,
    /// Records a second in `latency`; without it half of what comes out at most. That is measured first in any case, which warms
    /// the broker up.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// How many seconds of the load count in `latency`.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How often each one runs.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which ones run, separated by commas; without it all. Ratios are to the first. In `all`, those that a workload has.
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// A Kafka that runs already, `host:port`; without it one is started.
    #[arg(long)]
    bootstrap_servers: Option<String>,
    /// Writes a report in Markdown to this file, with plots as SVG beside it; `all` does so in any case, to
    /// `compare/report.md` in the target folder.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Ends with one line of JSON for each workload, not with tables.
    #[arg(long)]
    json: bool,
}

/// The `compare` program. Exits with 1 if a contestant fails or the outputs differ, with 2 after wrong arguments.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let outcome = match &arguments[..] {
        [_, first, name, rest @ ..] if first == CONTESTANT => run_contestant(name, rest),
        _ => {
            let parsed = Arguments::parse();
            match Plan::new(&parsed.workload, &parsed.contestants) {
                Ok(plan) => run(&parsed, &plan, &arguments[1..].join(" ")),
                Err(error) => Arguments::command().error(ErrorKind::InvalidValue, error).exit(),
            }
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody to tell but by the exit code.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_contestant(name: &str, arguments: &[String]) -> Result<()> {
    match name {
        memory::MEMORY => memory::run(arguments),
        _ if name == Contestant::Millstream.name() => millstream_contestant::run(arguments),
        _ => bail!("{name} is not a contestant in this program"),
    }
}

fn run(arguments: &Arguments, plan: &Plan, text: &str) -> Result<()> {
    if plan.has_kafka_streams()
        && let Some(missing) = kafka_streams::missing()
    {
        bail!("{missing} (--contestants names those that are to run, as librdkafka,millstream)");
    }
    let mut results = Results::default();
    // Before any broker's noise.
    if plan.steps.iter().any(|step| matches!(step, Step::Memory)) {
        results.memory = memory::measure(arguments.rows)?;
    }
    if plan.needs_kafka() {
        let cluster = Cluster::start(arguments.bootstrap_servers.as_deref())?;
        let outcome = run_on(&cluster, arguments, plan, &mut results);
        let deleted = cluster.delete_topics();
        outcome?;
        deleted?;
    }
    writeln!(io::stderr(), "{NOISE}")?;
    show(&results, arguments.json)?;
    let default = (plan.is_all).then(|| target_folder().join(REPORT));
    if let Some(path) = arguments.report.clone().or(default) {
        report::write(&path, &results, text)?;
        writeln!(io::stderr(), "report: {}", path.display())?;
    }
    Ok(())
}

fn run_on(cluster: &Cluster, arguments: &Arguments, plan: &Plan, results: &mut Results) -> Result<()> {
    let sizes = Sizes {
        records: arguments.records,
        keys: arguments.keys,
        partitions: arguments.partitions,
        value_size: arguments.value_size.map(|size| size as usize),
    };
    let commits = |guarantee: Guarantee| Commits {
        guarantee,
        interval_ms: arguments.commit_interval_ms.unwrap_or(guarantee.usual_interval_ms()),
    };
    let mut loaded = Loaded::new(cluster, sizes)?;
    for step in &plan.steps {
        match step {
            Step::Workload(workload, contestants) => {
                loaded.load(workload)?;
                let entrants = entrants(contestants, commits(arguments.guarantee));
                results.comparisons.push(compare(&loaded, workload, workload.name, &entrants, arguments.rounds)?);
            }
            Step::ExactlyOnce(workload, contestants) => {
                loaded.load(workload)?;
                let interval_ms = arguments.commit_interval_ms.unwrap_or(EXACTLY_ONCE_INTERVAL_MS);
                let entrants = twice(contestants, |guarantee| Commits { guarantee, interval_ms });
                let name = format!("exactly-once {}", workload.name);
                results.exactly_once.push(compare(&loaded, workload, &name, &entrants, arguments.rounds)?);
            }
            Step::Sized(workload, contestants, size) => {
                let sizes = size.of(sizes);
                let mut loaded = Loaded::new(cluster, sizes)?;
                loaded.load(workload)?;
                let entrants = entrants(contestants, commits(arguments.guarantee));
                let name = format!("{} {size}", workload.name);
                results.sized.push(compare(&loaded, workload, &name, &entrants, arguments.rounds)?);
                loaded.delete()?;
            }
            Step::Latency(contestants) => {
                let load = Load {
                    rate: arguments.rate.map(|rate| rate as f64),
                    duration: Duration::from_secs(arguments.seconds),
                    value_size: arguments.value_size.map_or(latency::VALUE_SIZE, |size| size as usize),
                };
                for entrant in twice(contestants, commits) {
                    results.latencies.push(latency::measure(&loaded, &entrant, &load)?);
                }
            }
            Step::Idle(contestants) => {
                for entrant in entrants(contestants, commits(arguments.guarantee)) {
                    results.idle.push(idle::measure(&loaded, &entrant)?);
                }
            }
            Step::Memory => {}
        }
    }
    Ok(())
}

fn show(results: &Results, json: bool) -> Result<()> {
    let mut out = io::stdout();
    let comparisons = results.comparisons.iter().chain(&results.exactly_once).chain(&results.sized);
    if !json {
        for comparison in comparisons {
            write!(out, "{}", comparison.table())?;
        }
        return Ok(write!(out, "{}", report::other_tables(results))?);
    }
    for comparison in comparisons {
        writeln!(out, "{}", comparison.json()?)?;
    }
    write_lines(&mut out, &results.latencies)?;
    write_lines(&mut out, &results.memory)?;
    write_lines(&mut out, &results.idle)
}

fn write_lines<T: Serialize>(out: &mut impl Write, lines: &[T]) -> Result<()> {
    for line in lines {
        writeln!(out, "{}", serde_json::to_string(line)?)?;
    }
    Ok(())
}

/// Cargo's target folder: this program is in a folder of a profile in it.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().ok();
    let found = program.as_deref().and_then(|path| path.ancestors().nth(2)).map(PathBuf::from);
    found.unwrap_or_else(|| PathBuf::from("target"))
}
