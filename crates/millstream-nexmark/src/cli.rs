use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::check::{Compared, Comparison, Mode};
use crate::compare;
use crate::generator::Settings;
use crate::nexmark::Nexmark;
use crate::queries::{QUERIES, Query};

/// The Nexmark benchmark.
#[derive(Parser)]
#[command(name = "cargo nexmark")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs each query on the broker in memory and compares its results with those of DuckDB, which is fetched once.
    Check {
        /// How many events there are.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
        events: u64,
        /// How many events there are in a second of event time.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        rate: u64,
        /// Which queries, separated by commas; without it all.
        #[arg(long, value_delimiter = ',')]
        queries: Vec<String>,
    },
    /// Runs each query on a real Kafka, which it starts, on Millstream and on Kafka Streams, and says what it costs.
    Compare {
        /// How many events there are.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        events: u64,
        /// How many events there are in a second of event time.
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
        rate: u64,
        /// Which queries, separated by commas; without it all.
        #[arg(long, value_delimiter = ',')]
        queries: Vec<String>,
    },
    /// Millstream in a comparison, which starts it.
    #[command(hide = true)]
    Contestant { query: String, bootstrap_servers: String, rate: u64 },
}

/// The `nexmark` program. Exits with 1 if a query fails or says other than it should, with 2 after wrong arguments.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check { events, rate, queries } => check(events, rate, &queries),
        Command::Compare { events, rate, queries } => {
            chosen(&queries).and_then(|queries| compare::compare(&queries, events, rate))
        }
        Command::Contestant { query, bootstrap_servers, rate } => contestant(query, &bootstrap_servers, rate),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Without standard error there is nobody to tell but by the exit code.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Query>> {
    let known = || QUERIES.iter().map(|query| query.name).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = names.iter().find(|name| QUERIES.iter().all(|query| query.name != **name)) {
        bail!("{unknown} is not a query; expected some of {}", known());
    }
    Ok(QUERIES.iter().filter(|query| names.is_empty() || names.iter().any(|name| name == query.name)).collect())
}

fn contestant(query: String, bootstrap_servers: &str, rate: u64) -> Result<bool> {
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_writer(io::stderr).init();
    let nexmark = Nexmark::new(&Settings { rate, ..Settings::default() }, compare::machine_clock());
    for query in chosen(&[query])? {
        compare::run_millstream(query, bootstrap_servers, &nexmark)?;
    }
    Ok(true)
}

fn check(events: u64, rate: u64, names: &[String]) -> Result<bool> {
    let queries = chosen(names)?;
    let mut all_agree = true;
    for mode in Mode::ALL {
        let comparison = Comparison::new(mode, events, rate)?;
        let mut out = io::stdout();
        writeln!(out, "{events} events, {rate} a second, {}\n", describe(mode))?;
        writeln!(out, "{:<5} {:<42} {:>9} {:>9}  agrees with DuckDB", "query", "", "records", "rows")?;
        for query in &queries {
            let compared = comparison.compare(query)?;
            all_agree &= compared.agrees();
            let Compared { query, title, records, rows, .. } = &compared;
            let verdict = if compared.agrees() { "yes".to_owned() } else { complaint(&compared) };
            writeln!(out, "{query:<5} {title:<42} {records:>9} {rows:>9}  {verdict}")?;
        }
        writeln!(out)?;
    }
    Ok(all_agree)
}

fn describe(mode: Mode) -> &'static str {
    match mode {
        Mode::InOrder => "in order, one partition",
        Mode::OutOfOrder => "out of order by up to 3 s, one partition",
        Mode::Spread => "out of order by up to 3 s, four partitions and two workers",
    }
}

fn complaint(compared: &Compared) -> String {
    let Compared { missing, wrong, .. } = compared;
    let first = |rows: &[String]| rows.iter().min().cloned().unwrap_or_default();
    format!("NO: {} missing {}, {} wrong {}", missing.len(), first(missing), wrong.len(), first(wrong))
}
