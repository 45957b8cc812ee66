//! Instances on threads of the test's own process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use millstream::broker::Broker;
use millstream::topology::Define;
use millstream::worker::{Application, ErrorAction, Options, TaskState, TaskStatus, WorkerStatus};
use millstream_service::run::{RunError, RunOptions, run};

/// What takes longer hangs.
pub const HANG: Duration = Duration::from_secs(120);

/// An instance that runs.
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), RunError>>,
    status: Arc<Mutex<Vec<Arc<WorkerStatus>>>>,
}

impl Running {
    /// Creates the internal topics that are missing, and starts an instance.
    pub fn start(options: Options, define: Define, broker: Arc<dyn Broker>) -> Result<Running> {
        let application = Application::new(options, define)?;
        let plan = application.plan(&*broker)?;
        application.create_topics(&*broker, &plan)?;
        let (stop, status) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (stop, status) = (stop.clone(), status.clone());
            move || {
                let options = RunOptions::new(HANG);
                run(application, broker, &options, &stop, |workers| *status.lock().unwrap() = workers)
            }
        });
        Ok(Running { stop, thread, status })
    }

    /// The tasks that it has, without standbys.
    pub fn tasks(&self) -> Vec<TaskStatus> {
        self.all_tasks().into_iter().filter(|task| !is_standby(task)).collect()
    }

    /// The standbys that it keeps.
    pub fn standbys(&self) -> Vec<TaskStatus> {
        self.all_tasks().into_iter().filter(is_standby).collect()
    }

    fn all_tasks(&self) -> Vec<TaskStatus> {
        self.status.lock().unwrap().iter().flat_map(|worker| worker.tasks()).collect()
    }

    /// Whether it has `count` tasks, all of them restored.
    pub fn runs(&self, count: usize) -> bool {
        let tasks = self.tasks();
        tasks.len() == count && tasks.iter().all(|task| task.state == TaskState::Running)
    }

    /// The sum of a counter over its workers.
    pub fn sum(&self, counter: impl Fn(&WorkerStatus) -> &AtomicU64) -> u64 {
        self.status.lock().unwrap().iter().map(|worker| counter(worker).load(Ordering::Relaxed)).sum()
    }

    /// How many records were left out.
    pub fn left_out(&self) -> u64 {
        let workers = self.status.lock().unwrap();
        let errors = workers.iter().flat_map(|worker| worker.errors());
        let left_out = |action| matches!(action, ErrorAction::Skip | ErrorAction::DeadLetter);
        errors.filter(|(labels, _)| left_out(labels.action)).map(|(_, count)| count).sum()
    }

    /// Stops it in order; an error if it failed or had failed.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => bail!("the instance panicked"),
        }
    }

    /// Waits until it ends by itself, at the end of a bounded run.
    pub fn end(self) -> Result<()> {
        until("the end of the run", || Ok(self.thread.is_finished()))?;
        match self.thread.join() {
            Ok(ended) => Ok(ended?),
            Err(_) => bail!("the instance panicked"),
        }
    }

    /// Waits until it ends by itself, which must be a failure; returns the reason.
    pub fn failure(self) -> Result<RunError> {
        until("the failure", || Ok(self.thread.is_finished()))?;
        match self.thread.join() {
            Ok(Err(error)) => Ok(error),
            Ok(Ok(())) => bail!("the instance ended well"),
            Err(_) => bail!("the instance panicked"),
        }
    }
}

fn is_standby(task: &TaskStatus) -> bool {
    matches!(task.state, TaskState::Standby { .. })
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !holds()? {
        if since.elapsed() > HANG {
            bail!("waited for {HANG:?} for {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
