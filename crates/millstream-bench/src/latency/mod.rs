//! End-to-end latency under open load: records are due at fixed times, whether or not earlier ones have come out, and a
//! record's latency runs from the time it was due. A contestant that stands still for a second so delays all that was due in
//! that second, and each of them counts (no coordinated omission).

mod load;
mod reader;
mod schedule;
mod summary;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use millstream::broker::CleanupPolicy;
use serde::Serialize;

use crate::compare::Entrant;
use crate::job::{Job, Topics};
use crate::loaded::Loaded;
use crate::parameters::{Commits, Guarantee};
use crate::process::Running;
use crate::workloads::Workload;

pub(crate) use summary::Summary;

/// How many bytes a value has if nothing else is said.
pub(crate) const VALUE_SIZE: usize = 200;

/// How long a contestant may take until all its tasks run.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long the saturation is measured, after as long a time in which it is reached.
const SATURATION: Duration = Duration::from_secs(4);

/// How many records are under way at most while the saturation is measured.
const UNDER_WAY_MAX: u64 = 100_000;

/// Under the rate for this long before latencies count.
const WARM_UP: Duration = Duration::from_secs(3);

/// How long the last records may take to come out.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// The latency of one entrant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) name: String,
    pub(crate) commits: Commits,
    /// Records a second that came out when as many as possible went in.
    pub(crate) saturation: f64,
    /// Records a second.
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    pub(crate) latency: Summary,
}

/// What is loaded, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Records a second; `None`: half of the saturation.
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Duration,
    /// Of a value, in bytes.
    pub(crate) value_size: usize,
}

/// What goes between the loader and the reader.
pub(crate) struct Flow {
    /// Where times count from.
    start: Instant,
    sent: AtomicU64,
    received: AtomicU64,
    /// Ends the reader.
    end: AtomicBool,
    /// From when on latencies count, in ns after `start`; `u64::MAX`: not yet.
    counts_from: AtomicU64,
}

/// Measures an entrant that passes records through.
pub(crate) fn measure(loaded: &Loaded<'_>, entrant: &Entrant, load: &Load) -> Result<Latency> {
    let cluster = loaded.cluster();
    let workload = Workload::find("pass-through").context("there is no pass-through")?;
    let group = format!("{}-latency-{}", loaded.name(), entrant.name).replace(' ', "-");
    let topics = Topics::of(&group, vec![format!("{group}-in")]);
    let partitions = loaded.sizes().partitions;
    let new = [(&*topics.inputs[0], CleanupPolicy::Delete), (&*topics.output, CleanupPolicy::Delete)];
    cluster.create(&new, partitions)?;
    let job = Job {
        bounded: false,
        workload,
        bootstrap_servers: cluster.bootstrap_servers().to_owned(),
        group: group.clone(),
        commits: entrant.commits,
        topics: topics.clone(),
    };
    let mut running = Running::start(&mut entrant.contestant.command(&job)?)?;
    running.done(START_LIMIT).with_context(|| format!("{}: starting", entrant.name))?;

    let flow = Arc::new(Flow {
        start: Instant::now(),
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
        end: AtomicBool::new(false),
        counts_from: AtomicU64::new(u64::MAX),
    });
    let consumer = reader::consumer(
        cluster.bootstrap_servers(),
        &topics.output,
        partitions,
        entrant.commits.guarantee == Guarantee::ExactlyOnce,
    )?;
    let reading = {
        let flow = flow.clone();
        thread::spawn(move || reader::read(&consumer, &flow))
    };
    let outcome = drive(&flow, cluster.bootstrap_servers(), &topics.inputs[0], partitions, load);
    flow.end.store(true, Ordering::Relaxed);
    let Ok(read) = reading.join() else { bail!("the thread that reads the output panicked") };
    let (saturation, rate) = outcome.with_context(|| format!("{}: latency", entrant.name))?;
    running.finish()?;
    cluster.delete_topics_of(&group)?;
    let latency = read?.summary();
    let name = &entrant.name;
    writeln!(
        io::stderr(),
        "latency {name}: {rate:.0} records/s, p50 {:.2} ms, p99 {:.2} ms",
        latency.p50_ms,
        latency.p99_ms
    )?;
    let seconds = load.duration.as_secs_f64();
    Ok(Latency { name: name.clone(), commits: entrant.commits, saturation, rate, seconds, latency })
}

/// Loads, and waits until all has come out. Says the saturation, and the rate.
///
/// The saturation is measured where the rate is given, too: a broker that has just been started is slow, and warm after it.
fn drive(flow: &Flow, servers: &str, topic: &str, partitions: i32, load: &Load) -> Result<(f64, f64)> {
    let loader = load::Loader::new(servers, topic, partitions, load.value_size)?;
    let saturation = loader.saturate(flow, SATURATION, UNDER_WAY_MAX)?;
    drain(flow)?;
    let rate = load.rate.unwrap_or(saturation / 2.0);
    ensure!(rate >= 1.0, "the rate is {rate:.3} records/s; at least 1 is needed");
    let begin = flow.start.elapsed();
    flow.counts_from.store((begin + WARM_UP).as_nanos() as u64, Ordering::Relaxed);
    loader.offer(flow, rate, begin, WARM_UP + load.duration)?;
    drain(flow)?;
    Ok((saturation, rate))
}

/// Waits until what was sent has come out.
fn drain(flow: &Flow) -> Result<()> {
    let since = Instant::now();
    loop {
        let (sent, received) = (flow.sent.load(Ordering::Relaxed), flow.received.load(Ordering::Relaxed));
        if received >= sent {
            return Ok(());
        }
        let waited = since.elapsed();
        ensure!(
            waited < DRAIN_LIMIT,
            "{received} of {sent} records have come out {} s after the last went in",
            waited.as_secs()
        );
        thread::sleep(Duration::from_millis(1));
    }
}
