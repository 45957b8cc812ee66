//! A restore, measured by what the workers tell of their tasks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use millstream::prelude::*;
use millstream::worker::{TaskState, WorkerStatus};
use millstream_service::run::{self as service, RunOptions};

use super::{Compared, STORE, Workload};
use crate::contestant::Contestant;
use crate::inputs::{NOTHING, ROWS};
use crate::job::Job;
use crate::millstream_contestant::{LOOK, Prepared, SHUTDOWN_TIMEOUT};
use crate::process::Done;

pub(super) static RESTORE: Workload = Workload {
    name: "restore",
    about: "A compacted changelog, each key once, is read from its beginning to its end. Millstream has it in memory \
            afterwards, as a store; the contestant in C only reads it.",
    inputs: &[&ROWS, &NOTHING],
    contestants: &[Contestant::Librdkafka, Contestant::Millstream],
    topology: |topics| {
        let input = Topic::new(&*topics.inputs[1], Utf8, Bytes);
        let output = Topic::new(&*topics.output, Utf8, Bytes);
        Arc::new(move |b| b.table(&input, Store::new(STORE, Utf8, Bytes)).to_stream().to(&output))
    },
    has_changelog: false,
    has_repartitions: false,
    restores: true,
    compared: Compared::Records,
};

/// Runs an instance until all its tasks run; they have nothing to do but to restore.
pub(crate) fn run(job: &Job, prepared: Prepared) -> Result<Done> {
    let Prepared { application, broker, tasks, .. } = prepared;
    let plan = application.plan(&*broker)?;
    let changelog = &job.topics.changelog;
    let is_there = plan.topics.iter().any(|topic| topic.topic.name == *changelog && topic.exists);
    ensure!(is_there, "{changelog} is not the changelog, or does not exist");
    let (stop, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let workers = OnceLock::new();
    thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&workers, tasks, &stop, &ended));
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
    })
}

/// Watches the workers until all tasks run, and has them end then.
fn watch(
    workers: &OnceLock<Vec<Arc<WorkerStatus>>>,
    all: usize,
    stop: &AtomicBool,
    ended: &AtomicBool,
) -> Option<Done> {
    let mut opened = None;
    while !ended.load(Ordering::Relaxed) {
        let status = workers.get().map(Vec::as_slice).unwrap_or_default();
        let tasks: Vec<_> = status.iter().flat_map(|worker| worker.tasks()).collect();
        if !tasks.is_empty() {
            let opened: &Instant = opened.get_or_insert_with(Instant::now);
            let running = tasks.iter().filter(|task| task.state == TaskState::Running).count();
            if running == all {
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
