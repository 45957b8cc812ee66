//! The workloads as topologies, in a process of their own.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millstream::broker::{Broker, TopicPartition};
use millstream::client::patient;
use millstream::worker::{Application, Guarantee as EngineGuarantee, Moment, Options, TaskState, WorkerStatus};
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_service::run::{self as service, RunOptions};

use crate::job::Job;
use crate::parameters::Guarantee;
use crate::process::Done;
use crate::workloads::run_restore;

/// A busy broker does not know a new topic's partitions at once.
const PATIENCE: Duration = Duration::from_secs(20);
const WORKERS: usize = 2;
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the workers' progress is looked at: how exact the measured time is.
pub(crate) const LOOK: Duration = Duration::from_millis(2);

/// An application whose topics are there.
pub(crate) struct Prepared {
    pub(crate) application: Arc<Application>,
    pub(crate) broker: Arc<dyn Broker>,
    /// How many records its inputs have.
    pub(crate) records: u64,
    /// How many tasks its first sub-topology has: one for each partition of the input.
    pub(crate) tasks: usize,
}

/// Runs as a contestant; see the crate's documentation for the arguments and what it writes.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let job = Job::parse(arguments)?;
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(io::stderr)
        .init();
    let prepared = prepare(&job)?;
    if !job.bounded {
        return run_endless(prepared);
    }
    let done = match job.workload.restores {
        true => run_restore(&job, prepared)?,
        false => run_measured(&job, prepared)?,
    };
    println!("{}", serde_json::to_string(&done)?);
    wait_for_end()
}

fn wait_for_end() -> Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of standard input")?;
    Ok(())
}

fn prepare(job: &Job) -> Result<Prepared> {
    let settings = KafkaSettings::new(&job.bootstrap_servers, &job.group);
    let broker: Arc<dyn Broker> = Arc::new(KafkaBroker::new(settings)?);
    let options = Options {
        until: (job.bounded && !job.workload.restores).then_some(Moment::End),
        workers: WORKERS,
        guarantee: match job.commits.guarantee {
            Guarantee::AtLeastOnce => EngineGuarantee::AtLeastOnce,
            Guarantee::ExactlyOnce => EngineGuarantee::ExactlyOnce,
        },
        commit_interval_ms: job.commits.interval_ms.try_into()?,
        // Nobody else is there: what is restored while an instance warms up would not be counted.
        warmup_timeout_ms: 0,
        ..Options::new(&*job.group, "contestant")
    };
    let application = Application::new(options, (job.workload.topology)(&job.topics))?;
    let plan = application.plan(&*broker)?;
    application.create_topics(&*broker, &plan)?;
    let names: Vec<&str> = job.topics.inputs.iter().map(String::as_str).collect();
    let mut partitions = Vec::new();
    for (name, description) in names.iter().zip(broker.describe(&names)?) {
        let count = description.with_context(|| format!("topic {name} does not exist"))?.partitions;
        partitions.extend((0..count).map(|number| TopicPartition::new(*name, number)));
    }
    let ends = patient(PATIENCE, || broker.end_offsets(&partitions))?;
    let records = ends.iter().sum::<i64>().try_into()?;
    let tasks = partitions.len() / names.len().max(1);
    Ok(Prepared { application, broker, records, tasks })
}

/// Runs until standard input ends; says when all tasks run.
fn run_endless(prepared: Prepared) -> Result<()> {
    let Prepared { application, broker, tasks, .. } = prepared;
    let stop = Arc::new(AtomicBool::new(false));
    let say = |status: Vec<Arc<WorkerStatus>>| {
        let stop = stop.clone();
        thread::spawn(move || {
            let running = |status: &[Arc<WorkerStatus>]| {
                let all = status.iter().flat_map(|worker| worker.tasks());
                all.filter(|task| task.state == TaskState::Running).count()
            };
            while running(&status) < tasks {
                thread::sleep(LOOK);
            }
            println!(r#"{{"records": 0, "seconds": 0}}"#);
            // However the input ends, so does the run.
            let _ = wait_for_end();
            stop.store(true, Ordering::Relaxed);
        });
    };
    Ok(service::run(application, broker, &RunOptions::new(SHUTDOWN_TIMEOUT), &stop, say)?)
}

/// Runs until all records are processed and committed.
///
/// The workers are told to end once they have processed all: the commit that this brings is the last one. Waiting for
/// the next regular commit would add up to a second in which nothing is done. With repartition topics more records are
/// processed than the inputs have; then the run ends by itself.
fn run_measured(job: &Job, prepared: Prepared) -> Result<Done> {
    let Prepared { application, broker, records, .. } = prepared;
    let enough = if job.workload.has_repartitions { u64::MAX } else { records };
    let (stop, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let workers = OnceLock::new();
    thread::scope(|scope| {
        let progress = scope.spawn(|| watch(&workers, enough, &stop, &ended));
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
        // A bounded run that ended by itself has processed all.
        let processed = progress.records.min(enough.min(records));
        Ok(Done { records: processed, seconds: (last - first).as_secs_f64() })
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
