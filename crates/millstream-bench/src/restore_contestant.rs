//! A restore, measured by what the workers tell of their tasks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use millstream::broker::{Broker, TopicPartition};
use millstream::prelude::*;
use millstream::topology::Define;
use millstream::worker::{Application, Options, TaskState, WorkerStatus};
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_service::run::{self as service, RunOptions};

use crate::cluster::PARTITIONS;
use crate::millstream_contestant::{LOOK, SHUTDOWN_TIMEOUT, WORKERS, finish};
use crate::process::Done;
use crate::workload::STORE;

/// A table of the input, with texts as keys and bytes as values.
pub(crate) fn topology(input: &str, output: &str) -> Define {
    let (input, output) = (Topic::new(input, Utf8, Bytes), Topic::new(output, Utf8, Bytes));
    Arc::new(move |b| b.table(&input, Store::new(STORE, Utf8, Bytes)).to_stream().to(&output))
}

/// Runs an instance with a service's default options until all its tasks run; they have nothing to do but to restore.
pub(crate) fn run(bootstrap_servers: &str, group: &str, [input, output, changelog]: [&String; 3]) -> Result<()> {
    let broker: Arc<dyn Broker> = Arc::new(KafkaBroker::new(KafkaSettings::new(bootstrap_servers, group))?);
    let options = Options { workers: WORKERS, ..Options::new(group, "contestant") };
    let application = Application::new(options, topology(input, output))?;
    let plan = application.plan(&*broker)?;
    let is_there = plan.topics.iter().any(|topic| topic.topic.name == *changelog && topic.exists);
    ensure!(is_there, "{changelog} is not the changelog, or does not exist");
    application.create_topics(&*broker, &plan)?;
    let partitions = |topic: &str| (0..PARTITIONS).map(|number| TopicPartition::new(topic, number)).collect::<Vec<_>>();
    ensure!(broker.end_offsets(&partitions(input))?.iter().all(|end| *end == 0), "{input} has records; expected none");

    let (stop, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let workers = OnceLock::new();
    let done = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&workers, &stop, &ended));
        let options = RunOptions::new(SHUTDOWN_TIMEOUT);
        let ran = service::run(application, broker, &options, &stop, |status| {
            workers.get_or_init(|| status);
        });
        ended.store(true, Ordering::Relaxed);
        let done = watching.join();
        ran?;
        match done {
            Ok(Some(done)) => Ok(done),
            Ok(None) => bail!("it ended before all tasks were restored"),
            Err(_) => bail!("the thread that watches the workers panicked"),
        }
    })?;
    finish(&done)
}

/// Watches the workers until all tasks run, and has them end then.
fn watch(workers: &OnceLock<Vec<Arc<WorkerStatus>>>, stop: &AtomicBool, ended: &AtomicBool) -> Option<Done> {
    let mut opened = None;
    while !ended.load(Ordering::Relaxed) {
        let status = workers.get().map(Vec::as_slice).unwrap_or_default();
        let tasks: Vec<_> = status.iter().flat_map(|worker| worker.tasks()).collect();
        if !tasks.is_empty() {
            let opened: &Instant = opened.get_or_insert_with(Instant::now);
            let running = tasks.iter().filter(|task| task.state == TaskState::Running).count();
            if running == PARTITIONS as usize {
                let seconds = opened.elapsed().as_secs_f64();
                stop.store(true, Ordering::Relaxed);
                let records = status.iter().map(|worker| worker.restored.load(Ordering::Relaxed)).sum();
                return Some(Done { records, seconds });
            }
        }
        thread::sleep(LOOK);
    }
    None
}
