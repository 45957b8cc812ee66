use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cluster::Cluster;
use crate::contestant::Contestant;
use crate::process;
use crate::report::{Comparison, Figures, Standing};
use crate::workload::{RunTopics, Workload};

/// A run may take this long, and beside it a second for each [`SLOWEST`] records.
const LIMIT: Duration = Duration::from_secs(120);

/// Records a second that every contestant surely reaches.
const SLOWEST: u64 = 5_000;

/// The input that all contestants read.
pub(crate) struct Input {
    /// The topic; of a restore, the application id, from which its topics are named.
    pub(crate) topic: String,
    pub(crate) records: u64,
}

/// Lets each contestant run in each of `rounds` rounds.
pub(crate) fn compare(
    cluster: &Cluster,
    input: &Input,
    workload: Workload,
    contestants: &[Contestant],
    rounds: u32,
) -> Result<Comparison> {
    let mut figures = vec![Vec::new(); contestants.len()];
    if let Some(first) = contestants.first() {
        run(cluster, input, workload, *first, "warm-up")?;
    }
    for round in 1..=rounds {
        for (contestant, figures) in contestants.iter().zip(&mut figures) {
            figures.push(run(cluster, input, workload, *contestant, &format!("round-{round}"))?);
        }
    }
    let standings =
        contestants.iter().zip(figures).map(|(contestant, rounds)| Standing::new(contestant.name(), rounds));
    Comparison::new(workload.name(), input.records, rounds, standings.collect())
}

/// One run on topics of its own, which are deleted afterwards.
fn run(cluster: &Cluster, input: &Input, workload: Workload, contestant: Contestant, round: &str) -> Result<Figures> {
    let name = contestant.name();
    // All restores read one changelog, which has the name of the application; what runs for it must have that name, too.
    let restored = (workload == Workload::Restore).then(|| RunTopics::to_restore(&input.topic));
    let group = match &restored {
        Some(_) => input.topic.clone(),
        None => format!("{}-{}-{name}-{round}", input.topic, workload.name()),
    };
    let topics = restored.clone().unwrap_or_else(|| RunTopics::new(&input.topic, &group));
    if restored.is_none() {
        cluster.create(&topics.to_create(workload))?;
    }
    let mut command = contestant.command(workload, cluster.bootstrap_servers(), &group, &topics)?;
    let limit = LIMIT + Duration::from_secs(input.records / SLOWEST);
    let (done, usage) =
        process::run(&mut command, limit).with_context(|| format!("{name}, {}, {round}", workload.name()))?;
    ensure!(
        done.records == input.records,
        "{name}, {}, {round}: it processed {} records; expected {}, all of the input",
        workload.name(),
        done.records,
        input.records
    );
    let figures = Figures {
        records_per_s: done.records as f64 / done.seconds,
        cpu_s: usage.cpu_s,
        cpu_us_per_record: usage.cpu_s * 1e6 / done.records as f64,
        peak_rss_mb: usage.peak_rss as f64 / 1e6,
        outputs: cluster.count(&topics.output)?,
        changelog_records: match workload.has_changelog() {
            true => Some(cluster.count(&topics.changelog)?),
            false => None,
        },
    };
    if restored.is_none() {
        cluster.delete_topics(&[&input.topic])?;
    }
    writeln!(
        io::stderr(),
        "{} {round} {name}: {:.0} records/s, {:.2} CPU µs a record",
        workload.name(),
        figures.records_per_s,
        figures.cpu_us_per_record
    )?;
    Ok(figures)
}
