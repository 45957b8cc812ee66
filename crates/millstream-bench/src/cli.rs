use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use millstream::broker::CleanupPolicy;

use crate::cluster::{Cluster, PARTITIONS};
use crate::compare::{Input, compare};
use crate::contestant::{CONTESTANT, Contestant};
use crate::load::load;
use crate::millstream_contestant;
use crate::rows::load_rows;
use crate::workload::{RunTopics, Workload};

const NOISE: &str = "Whatever else runs on this machine moves every figure, and the broker shares its processors: trust \
                     ratios between contestants of one command alone, and no further than the rounds agree.";

/// Runs the contestants of a workload in turn on a real Kafka.
#[derive(Parser)]
#[command(name = "cargo compare", after_help = NOISE)]
struct Arguments {
    /// What they do: `pass-through`, `count`, `restore`, or `all` of it, one after the other.
    workload: String,
    /// How many records they read in `pass-through` and `count`.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// How many keys the changelog of `restore` has.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// How often each one runs.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Which ones run, separated by commas; without it all. Ratios are to the first.
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// A Kafka that runs already, `host:port`; without it one is started.
    #[arg(long)]
    bootstrap_servers: Option<String>,
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
            let arguments = Arguments::parse();
            match planned(&arguments.workload, &arguments.contestants) {
                Ok(planned) => run(&arguments, &planned),
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
    ensure!(name == Contestant::Millstream.name(), "{name} is not a contestant in this program");
    millstream_contestant::run(arguments)
}

fn run(arguments: &Arguments, planned: &[(Workload, Vec<Contestant>)]) -> Result<()> {
    let cluster = Cluster::start(arguments.bootstrap_servers.as_deref())?;
    let outcome = run_on(&cluster, arguments, planned);
    let deleted = cluster.delete_topics(&[]);
    outcome?;
    deleted
}

fn run_on(cluster: &Cluster, arguments: &Arguments, planned: &[(Workload, Vec<Contestant>)]) -> Result<()> {
    let mut comparisons = Vec::new();
    let mut bids: Option<Input> = None;
    for (workload, contestants) in planned {
        let input = match (workload, &bids) {
            (Workload::Restore, _) => &load_changelog(cluster, arguments.keys)?,
            (_, Some(bids)) => bids,
            (_, None) => bids.insert(load_input(cluster, arguments.records)?),
        };
        comparisons.push(compare(cluster, input, *workload, contestants, arguments.rounds)?);
    }
    writeln!(io::stderr(), "{NOISE}")?;
    let mut out = io::stdout();
    for comparison in comparisons {
        match arguments.json {
            true => writeln!(out, "{}", comparison.json()?)?,
            false => write!(out, "{}", comparison.table())?,
        }
    }
    Ok(())
}

/// A name of its own: a Kafka that was given may have topics of an earlier command that was killed.
fn fresh_name() -> Result<String> {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_millis();
    Ok(format!("compare-{ms}"))
}

/// A changelog to be restored, with an empty input and an empty output beside it. No earlier input is kept.
fn load_changelog(cluster: &Cluster, keys: u64) -> Result<Input> {
    cluster.delete_topics(&[])?;
    let application_id = fresh_name()?;
    let RunTopics { input, output, changelog } = RunTopics::to_restore(&application_id);
    cluster.create(&[(&input, CleanupPolicy::Delete), (&output, CleanupPolicy::Delete)])?;
    cluster.create(&[(&changelog, CleanupPolicy::Compact)])?;
    writeln!(io::stderr(), "loading {keys} rows into {PARTITIONS} partitions of {changelog}")?;
    load_rows(&mut *cluster.producer(&changelog)?, keys)?;
    let loaded = cluster.count(&changelog)?;
    ensure!(loaded == keys, "{changelog} has {loaded} records after {keys} were loaded");
    Ok(Input { topic: application_id, records: keys })
}

fn load_input(cluster: &Cluster, records: u64) -> Result<Input> {
    let topic = fresh_name()?;
    cluster.create(&[(&topic, CleanupPolicy::Delete)])?;
    writeln!(io::stderr(), "loading {records} bids into {PARTITIONS} partitions of {topic}")?;
    load(&mut *cluster.producer(&topic)?, records)?;
    let loaded = cluster.count(&topic)?;
    ensure!(loaded == records, "{topic} has {loaded} records after {records} were loaded");
    Ok(Input { topic, records })
}

/// The workloads and who runs each.
fn planned(workload: &str, contestants: &[String]) -> Result<Vec<(Workload, Vec<Contestant>)>> {
    let workloads = match (workload, Workload::parse(workload)) {
        (_, Some(workload)) => vec![workload],
        ("all", None) => Workload::ALL.to_vec(),
        _ => {
            let known = Workload::ALL.map(Workload::name).join(", ");
            bail!("{workload} is not a workload; expected one of {known}, or all");
        }
    };
    let chosen = |workload: Workload| {
        let all = workload.contestants();
        if contestants.is_empty() {
            return Ok((workload, all.to_vec()));
        }
        let found = contestants.iter().map(|name| {
            all.iter().copied().find(|contestant| contestant.name() == name).with_context(|| {
                let known: Vec<&str> = all.iter().map(|contestant| contestant.name()).collect();
                format!("{name} is not a contestant of {}; expected some of {}", workload.name(), known.join(","))
            })
        });
        Ok((workload, found.collect::<Result<_>>()?))
    };
    workloads.into_iter().map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::planned;
    use crate::contestant::Contestant::{Librdkafka, Millstream};
    use crate::workload::Workload::{Count, PassThrough, Restore};

    #[test]
    fn workloads_and_contestants_are_chosen_by_name() {
        let both = || vec![Librdkafka, Millstream];
        assert_eq!(planned("all", &[]).unwrap(), [(PassThrough, both()), (Count, both()), (Restore, both())]);
        assert_eq!(planned("count", &["millstream".to_owned()]).unwrap(), [(Count, vec![Millstream])]);
        let reversed = ["millstream".to_owned(), "librdkafka".to_owned()];
        assert_eq!(planned("pass-through", &reversed).unwrap(), [(PassThrough, vec![Millstream, Librdkafka])]);
    }

    #[test]
    fn an_unknown_name_is_an_error_that_says_which_there_are() {
        assert!(planned("sort", &[]).unwrap_err().to_string().contains("pass-through, count, restore, or all"));
        let error = planned("count", &["flink".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("flink") && error.contains("librdkafka,millstream"), "{error}");
    }
}
