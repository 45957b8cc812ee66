//! Lets entrants run a workload in turn.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millstream::broker::CleanupPolicy;

use crate::cluster::Cluster;
use crate::comparison::{Comparison, Figures, Standing};
use crate::contestant::Contestant;
use crate::job::{Job, Topics};
use crate::loaded::Loaded;
use crate::outputs::{self, Outputs};
use crate::parameters::Commits;
use crate::process::{Running, Usage};
use crate::workloads::Workload;

/// A run may take this long, and beside it a second for each [`SLOWEST`] records.
const LIMIT: Duration = Duration::from_secs(120);

/// Records a second that every contestant surely reaches.
const SLOWEST: u64 = 5_000;

/// One who runs, and how it commits.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    pub(crate) contestant: Contestant,
    pub(crate) commits: Commits,
}

/// Lets each entrant run in each of `rounds` rounds.
pub(crate) fn compare(
    loaded: &Loaded<'_>,
    workload: &'static Workload,
    name: &str,
    entrants: &[Entrant],
    rounds: u32,
) -> Result<Comparison> {
    if let Some(first) = entrants.first() {
        run(loaded, workload, name, first, "warm-up", 1)?;
    }
    let mut figures = vec![Vec::new(); entrants.len()];
    for round in 1..=rounds {
        for (entrant, figures) in entrants.iter().zip(&mut figures) {
            let passes = if entrant.contestant.warm_name().is_some() { 2 } else { 1 };
            figures.push(run(loaded, workload, name, entrant, &format!("round-{round}"), passes)?);
        }
    }
    let mut standings = Vec::new();
    for (entrant, rounds) in entrants.iter().zip(figures) {
        for pass in 0..rounds[0].len() {
            let figures: Vec<Figures> = rounds.iter().map(|passes| passes[pass]).collect();
            let name = if pass == 0 { entrant.name.clone() } else { format!("{} warm", entrant.name) };
            standings.push(Standing::new(name, entrant.contestant.tells_each_change(), &figures));
        }
    }
    Comparison::new(name.to_owned(), loaded.records(workload)?, rounds, loaded.sizes(), standings)
}

/// Passes over the input in one process, on topics of their own, which are deleted afterwards.
fn run(
    loaded: &Loaded<'_>,
    workload: &'static Workload,
    name: &str,
    entrant: &Entrant,
    round: &str,
    passes: u32,
) -> Result<Vec<Figures>> {
    let cluster = loaded.cluster();
    let records = loaded.records(workload)?;
    let limit = LIMIT + Duration::from_secs(records / SLOWEST);
    let about = || format!("{}, {name}, {round}", entrant.name);
    let mut running: Option<Running> = None;
    let (mut before, mut figures) = (None::<Usage>, Vec::new());
    for pass in 1..=passes {
        // All restores read one changelog, which has the name of the application; what runs for it must have that name, too.
        let group = match workload.restores {
            true => loaded.name().to_owned(),
            false => format!("{}-{name}-{}-{round}-{pass}", loaded.name(), entrant.name).replace(' ', "-"),
        };
        let topics = prepare(cluster, loaded, workload, entrant, &group)?;
        let job = Job {
            bounded: true,
            workload,
            bootstrap_servers: cluster.bootstrap_servers().to_owned(),
            group: group.clone(),
            commits: entrant.commits,
            topics: topics.clone(),
        };
        let running = match &mut running {
            None => running.insert(Running::start(&mut entrant.contestant.command(&job)?).with_context(about)?),
            Some(running) => {
                running.again(&job.arguments()).with_context(about)?;
                running
            }
        };
        let done = running.done(limit).with_context(about)?;
        let usage = running.usage().with_context(about)?;
        let (found, about) = (done.records, about());
        ensure!(found == records, "{about}: it processed {found} records; expected {records}, all of the input");
        let cpu_s = usage.cpu_s - before.map_or(0.0, |before| before.cpu_s);
        before = Some(usage);
        let of_pass = Figures {
            records_per_s: records as f64 / done.seconds,
            cpu_s,
            cpu_us_per_record: cpu_s * 1e6 / records as f64,
            peak_rss_mb: usage.peak_rss as f64 / 1e6,
            outputs: match workload.restores {
                true => Outputs::default(),
                false => {
                    let servers = cluster.bootstrap_servers();
                    outputs::read(servers, &topics.output, loaded.sizes().partitions, workload.compared)?
                }
            },
            changelog_records: match workload.has_changelog {
                true => Some(cluster.count_all(&group, "-changelog")?),
                false => None,
            },
        };
        writeln!(
            io::stderr(),
            "{about}, pass {pass}: {:.0} records/s, {:.2} CPU µs a record, {} outputs",
            of_pass.records_per_s,
            of_pass.cpu_us_per_record,
            of_pass.outputs.records
        )?;
        figures.push(of_pass);
        if !workload.restores {
            cluster.delete_topics_of(&group)?;
        }
    }
    if let Some(running) = running {
        running.finish().with_context(about)?;
    }
    Ok(figures)
}

/// Makes the topics that are there before a run; Millstream and Kafka Streams make those of their state themselves.
fn prepare(
    cluster: &Cluster,
    loaded: &Loaded<'_>,
    workload: &Workload,
    entrant: &Entrant,
    group: &str,
) -> Result<Topics> {
    let topics = Topics::of(group, loaded.topics(workload)?);
    if workload.restores {
        return Ok(topics);
    }
    let partitions = loaded.sizes().partitions;
    cluster.create(&[(&topics.output, CleanupPolicy::Delete)], partitions)?;
    if workload.has_changelog && entrant.contestant == Contestant::Librdkafka {
        cluster.create(&[(&topics.changelog, CleanupPolicy::Compact)], partitions)?;
    }
    Ok(topics)
}
