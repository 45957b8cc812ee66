//! What an instance costs that has nothing to do.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use millstream::broker::CleanupPolicy;
use serde::Serialize;

use crate::compare::Entrant;
use crate::job::{Job, Topics};
use crate::loaded::Loaded;
use crate::process::Running;
use crate::workloads::Workload;

/// How many partitions the input has.
pub(crate) const PARTITIONS: i32 = 64;

/// How long an instance may take until all its tasks run.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What comes after a start is over by then.
const SETTLE: Duration = Duration::from_secs(10);

pub(crate) const MEASURED: Duration = Duration::from_secs(20);

/// What an idle instance costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Idle {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    pub(crate) seconds: f64,
    /// User and system time, in ms a second.
    pub(crate) cpu_ms_per_s: f64,
    pub(crate) rss_mb: f64,
}

/// Measures an entrant that counts by key, with an input that gets no record.
pub(crate) fn measure(loaded: &Loaded<'_>, entrant: &Entrant) -> Result<Idle> {
    let cluster = loaded.cluster();
    let workload = Workload::find("count").context("there is no count")?;
    let group = format!("{}-idle-{}", loaded.name(), entrant.name).replace(' ', "-");
    let topics = Topics::of(&group, vec![format!("{group}-in")]);
    let new = [(&*topics.inputs[0], CleanupPolicy::Delete), (&*topics.output, CleanupPolicy::Delete)];
    cluster.create(&new, PARTITIONS)?;
    let job = Job {
        bounded: false,
        workload,
        bootstrap_servers: cluster.bootstrap_servers().to_owned(),
        group: group.clone(),
        commits: entrant.commits,
        topics,
    };
    let mut running = Running::start(&mut entrant.contestant.command(&job)?)?;
    running.done(START_LIMIT).with_context(|| format!("{}: starting", entrant.name))?;
    thread::sleep(SETTLE);
    let (before, since) = (running.usage()?, Instant::now());
    thread::sleep(MEASURED);
    let (after, seconds) = (running.usage()?, since.elapsed().as_secs_f64());
    running.finish()?;
    cluster.delete_topics_of(&group)?;
    let idle = Idle {
        name: entrant.name.clone(),
        partitions: PARTITIONS,
        seconds,
        cpu_ms_per_s: (after.cpu_s - before.cpu_s) * 1e3 / seconds,
        rss_mb: after.rss as f64 / 1e6,
    };
    writeln!(io::stderr(), "idle {}: {:.2} CPU ms a second, {:.0} MB", idle.name, idle.cpu_ms_per_s, idle.rss_mb)?;
    Ok(idle)
}
