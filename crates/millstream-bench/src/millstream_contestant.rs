//! The workloads as topologies, in a process of their own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millstream::broker::{Broker, TopicPartition};
use millstream::prelude::*;
use millstream::topology::Define;
use millstream::worker::{Application, Guarantee, Moment, Options, WorkerStatus};
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_service::run::{self as service, RunOptions};

use crate::cluster::PARTITIONS;
use crate::process::Done;
use crate::restore_contestant;
use crate::workload::{STORE, Workload};

pub(crate) const WORKERS: usize = 2;
const COMMIT_INTERVAL_MS: i64 = 1000;
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the workers' progress is looked at: how exact the measured time is.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// Runs as a contestant; see the crate's documentation for the arguments and what it writes.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [workload, bootstrap_servers, group, input, output, changelog] = arguments else {
        bail!("expected the arguments WORKLOAD BOOTSTRAP_SERVERS GROUP INPUT OUTPUT CHANGELOG");
    };
    let workload = Workload::parse(workload).with_context(|| format!("{workload} is not a workload"))?;
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(io::stderr)
        .init();
    if workload == Workload::Restore {
        return restore_contestant::run(bootstrap_servers, group, [input, output, changelog]);
    }
    let broker: Arc<dyn Broker> = Arc::new(KafkaBroker::new(KafkaSettings::new(bootstrap_servers, group))?);
    let options = Options {
        until: Some(Moment::End),
        workers: WORKERS,
        guarantee: Guarantee::AtLeastOnce,
        commit_interval_ms: COMMIT_INTERVAL_MS,
        ..Options::new(group, "contestant")
    };
    let application = Application::new(options, topology(workload, input, output))?;
    let plan = application.plan(&*broker)?;
    application.create_topics(&*broker, &plan)?;
    let partitions: Vec<_> = (0..PARTITIONS).map(|partition| TopicPartition::new(input.as_str(), partition)).collect();
    let records = broker.end_offsets(&partitions)?.iter().sum::<i64>().try_into()?;

    finish(&run_measured(application, broker, records)?)
}

/// Says what was measured, and waits to be looked at.
pub(crate) fn finish(done: &Done) -> Result<()> {
    println!("{}", serde_json::to_string(done)?);
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of standard input")?;
    Ok(())
}

fn topology(workload: Workload, input: &str, output: &str) -> Define {
    match workload {
        Workload::PassThrough => {
            let (input, output) = (Topic::new(input, Bytes, Bytes), Topic::new(output, Bytes, Bytes));
            Arc::new(move |b| b.stream(&input).to(&output))
        }
        Workload::Restore => restore_contestant::topology(input, output),
        Workload::Count => {
            // Counting does not look at values; nor does the contestant in C.
            let (input, output) = (Topic::new(input, Utf8, Unit), Topic::<_, i64>::new(output, Utf8, Be64));
            Arc::new(move |b| {
                b.stream(&input).group_by_key().count(Store::new(STORE, Utf8, Be64)).to_stream().to(&output)
            })
        }
    }
}

/// Runs until `records` records are processed and committed.
///
/// The workers are told to end once they have processed all: the commit that this brings is the last one. Waiting for
/// the next regular commit would add up to a second in which nothing is done.
fn run_measured(application: Arc<Application>, broker: Arc<dyn Broker>, records: u64) -> Result<Done> {
    let (stop, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let workers = OnceLock::new();
    thread::scope(|scope| {
        let progress = scope.spawn(|| watch(&workers, records, &stop, &ended));
        let options = RunOptions::new(SHUTDOWN_TIMEOUT);
        let ran = service::run(application, broker, &options, &stop, |status| {
            workers.get_or_init(|| status);
        });
        ended.store(true, Ordering::Relaxed);
        let progress = progress.join();
        ran?;
        let Ok(progress) = progress else { bail!("the thread that watches the workers panicked") };
        let (Some(first), Some(last)) = (progress.first, progress.last_commit) else {
            bail!("nothing was processed and committed; expected {records} records");
        };
        Ok(Done { records: progress.records, seconds: (last - first).as_secs_f64() })
    })
}

#[derive(Default)]
struct Progress {
    records: u64,
    commits: u64,
    /// When the first records were seen to be processed.
    first: Option<Instant>,
    /// When the last commit was seen.
    last_commit: Option<Instant>,
}

/// Watches the workers until the run has ended.
fn watch(workers: &OnceLock<Vec<Arc<WorkerStatus>>>, records: u64, stop: &AtomicBool, ended: &AtomicBool) -> Progress {
    let mut progress = Progress::default();
    loop {
        // Looked at first, so that nothing can happen after the last look.
        let is_last = ended.load(Ordering::Relaxed);
        let status = workers.get().map(Vec::as_slice).unwrap_or_default();
        progress.look(status);
        if progress.records >= records {
            stop.store(true, Ordering::Relaxed);
        }
        if is_last {
            return progress;
        }
        thread::sleep(LOOK);
    }
}

impl Progress {
    fn look(&mut self, workers: &[Arc<WorkerStatus>]) {
        self.records = workers.iter().map(|worker| worker.consumed.load(Ordering::Relaxed)).sum();
        if self.records > 0 {
            self.first.get_or_insert_with(Instant::now);
        }
        let commits = workers.iter().map(|worker| worker.commits.load(Ordering::Relaxed)).sum();
        if commits > self.commits {
            self.commits = commits;
            self.last_commit = Some(Instant::now());
        }
    }
}
