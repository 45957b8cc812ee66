use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use super::backoff::Backoff;
use super::commit::Committing;
use super::copies::Copies;
use super::drain::Leaving;
use super::failing::Failing;
use super::globals::Globals;
use super::memory::Memory;
use super::message::{Command, Report};
use super::open::Opening;
use super::restore::Restoring;
use super::transfer::{Asked, HandingOut};
use super::{Application, KnownInstances, Options, Peers, TaskState, TaskStatus, WorkerStatus};
use crate::broker::{Broker, ErrorKind, Waker};
use crate::executor::{Calling, Executor};
use crate::processor::{Output, note_panics};
use crate::record::Timestamp;
use crate::task::{Merge, Pace, Task, TaskError};

/// What a worker is made of, before it is on its own thread: a worker itself never leaves its thread.
pub struct WorkerSeed {
    pub(super) index: usize,
    pub(super) application: Arc<Application>,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) commands: Receiver<Command>,
    pub(super) reports: Sender<Report>,
    pub(super) waker: Waker,
    pub(super) status: Arc<WorkerStatus>,
    pub(super) executor: Option<Arc<dyn Executor>>,
    pub(super) known: Arc<KnownInstances>,
    pub(super) peers: Option<Arc<dyn Peers>>,
}

impl WorkerSeed {
    /// The worker, with what the calls of asynchronous operators run on: needed if the topology has
    /// [some](crate::topology::Topology::async_nodes).
    pub fn with_executor(self, executor: Arc<dyn Executor>) -> Self {
        WorkerSeed { executor: Some(executor), ..self }
    }

    /// The worker, with a way to other instances: it takes state from their memory where it can, and reads changelogs
    /// where not.
    pub fn with_peers(self, peers: Arc<dyn Peers>) -> Self {
        WorkerSeed { peers: Some(peers), ..self }
    }
}

/// Owns some tasks and one producer.
pub struct Worker {
    pub(super) index: usize,
    pub(super) application: Arc<Application>,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) commands: Receiver<Command>,
    pub(super) reports: Sender<Report>,
    pub(super) waker: Waker,
    pub(super) status: Arc<WorkerStatus>,
    pub(super) executor: Option<Arc<dyn Executor>>,
    /// The instances of the application, and the way to them.
    pub(super) known: Arc<KnownInstances>,
    pub(super) peers: Option<Arc<dyn Peers>>,
    /// The states that other instances have asked for, and those that are on their way to them.
    pub(super) asked: Vec<Asked>,
    pub(super) handing_out: Vec<HandingOut>,
    /// `None` before the first producer, and between a reset and the next one.
    pub(super) output: Option<Output>,
    pub(super) tasks: Vec<Task>,
    /// Tasks that could not be opened yet, as the broker did not answer.
    pub(super) opening: Vec<Opening>,
    /// State of tasks that do not run here.
    pub(super) copies: Copies,
    pub(super) globals: Globals,
    pub(super) committing: Committing,
    pub(super) failing: Failing,
    pub(super) restoring: Restoring,
    pub(super) memory: Memory,
    /// What is to be let go of, while calls are waited for.
    pub(super) leaving: Option<Leaving>,
    /// After an error that may pass: nothing is tried before then.
    pub(super) resume_at: Timestamp,
    pub(super) retry: Backoff,
    pub(super) ended: bool,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more to do at once.
    Busy,
    /// There is nothing to do until the worker is woken, or until that time (ms) has come.
    Idle(Timestamp),
    /// The worker has ended, and is not to be stepped again.
    Ended,
}

/// How long a worker waits after an error that may pass.
pub(super) const RETRY_MS: i64 = 100;
/// How long an idle worker sleeps at most, when nobody wakes it.
const IDLE_MS: i64 = 100;
/// How long it sleeps while the network has no room for the state that it hands out.
const HANDING_OUT_MS: i64 = 1;

impl From<WorkerSeed> for Worker {
    fn from(seed: WorkerSeed) -> Self {
        note_panics();
        let WorkerSeed { index, application, broker, commands, reports, waker, status, executor, known, peers } = seed;
        Worker {
            index,
            application,
            broker,
            commands,
            reports,
            waker,
            status,
            executor,
            known,
            peers,
            asked: Vec::new(),
            handing_out: Vec::new(),
            output: None,
            tasks: Vec::new(),
            opening: Vec::new(),
            copies: Copies::default(),
            globals: Globals::default(),
            committing: Committing::default(),
            failing: Failing::default(),
            restoring: Restoring::default(),
            memory: Memory::default(),
            leaving: None,
            resume_at: Timestamp::MIN,
            retry: Backoff::default(),
            ended: false,
        }
    }
}

impl Worker {
    /// Does what can be done now, at `now` (ms since 1970), without waiting for anything but a commit.
    pub fn step(&mut self, now: Timestamp) -> Step {
        self.status.moved_at.store(now, Ordering::Relaxed);
        let mut busy = false;
        while !self.ended
            && let Ok(command) = self.commands.try_recv()
        {
            self.obey(command, now);
            busy = true;
        }
        if self.ended {
            return Step::Ended;
        }
        if self.leaving.is_some() && self.output.is_none() {
            self.finish_leaving(now);
            return if self.ended { Step::Ended } else { Step::Busy };
        }
        if self.output.is_none() || now < self.resume_at {
            // Copies need no producer: an instance that has not joined yet has some, too.
            self.begin_asked(now);
            let busy = self.step_copies(now, false) | self.hand_out();
            return if busy { Step::Busy } else { Step::Idle(now + RETRY_MS) };
        }
        match self.work(now) {
            Ok(worked) => busy |= worked,
            Err(error) => {
                self.recover(error, now);
                busy = true;
            }
        }
        if !self.ended {
            busy |= self.step_copies(now, busy);
            self.begin_asked(now);
            busy |= self.hand_out();
        }
        match busy {
            true => Step::Busy,
            // Nobody wakes the worker when there is room for more.
            false if !self.handing_out.is_empty() => Step::Idle(now + HANDING_OUT_MS),
            false => Step::Idle(self.next_wake(now)),
        }
    }

    fn obey(&mut self, command: Command, now: Timestamp) {
        match command {
            Command::Start(producer) => {
                let calling =
                    |executor: &Arc<dyn Executor>| Calling { executor: executor.clone(), waker: self.waker.clone() };
                self.output = Some(Output::new(producer, self.executor.as_ref().map(calling)));
                self.committing.started(now);
            }
            Command::Open { task, inputs } => self.open(task, inputs),
            Command::Close { tasks, lost: true } => self.leave_lost(tasks, now),
            Command::Close { tasks, lost: false } => self.leave(tasks, false, now),
            Command::Standby(tasks) => self.set_standbys(tasks, now),
            Command::HandOut { task, recipient } => self.asked.push(Asked { task, recipient }),
            Command::Stop => self.leave(Vec::new(), true, now),
        }
    }

    fn work(&mut self, now: Timestamp) -> Result<bool, TaskError> {
        self.finish_opening(now)?;
        self.open_globals(now)?;
        self.measure_memory(now);
        let takes_in = self.takes_in(now);
        let mut busy = takes_in && (self.read_globals()? | self.restore(now)?);
        busy |= self.run(now, takes_in)?;
        if busy && takes_in {
            self.pause_intake(now);
        }
        if self.leaving.is_some() {
            self.finish_leaving(now);
            busy |= self.leaving.is_none();
        } else if self.is_commit_due(now) {
            if self.is_drained(now)? {
                let ends = self.ends_of_asked();
                self.commit(now)?;
                self.begin_after_commit(ends);
                // Tasks with calls read nothing while they were waited for.
                busy |= self.calls();
            } else {
                self.committing.wait(now);
            }
        }
        self.status.is_idle.store(!busy && self.is_at_end(), Ordering::Relaxed);
        Ok(busy)
    }

    fn run(&mut self, now: Timestamp, takes_in: bool) -> Result<bool, TaskError> {
        let draining = self.calls() && self.is_draining(now);
        let Some(output) = &mut self.output else {
            return Ok(false);
        };
        let options = &self.application.options;
        let merge = Merge {
            max_task_idle_ms: options.max_task_idle_ms,
            buffered_records: options.buffered_records_per_partition,
            budget: self.failing.budget(output.taken),
        };
        let pace = Pace {
            idle_timeout_ms: options.idle_timeout_ms,
            watermark_interval_ms: options.watermark_interval_ms,
            is_bounded: options.until.is_some(),
        };
        let (mut consumed, mut delivered) = (0, 0);
        let subs = &self.application.topology.sub_topologies;
        for task in &mut self.tasks {
            if task.held_until() > now {
                continue;
            }
            if !self.globals.let_run(task, &subs[task.id.sub_topology].globals) {
                continue;
            }
            if task.calls() {
                delivered += task.deliver(output, now)?;
                if draining {
                    continue;
                }
            }
            // A commit is to come before another record may fail.
            if output.commit_soon {
                continue;
            }
            if takes_in {
                let merge = Merge { budget: merge.budget.saturating_sub(consumed), ..merge };
                consumed += task.run(output, now, merge)?;
            }
            task.punctuate_wall_clock(output, now)?;
            task.pass_time(output, now, pace)?;
        }
        self.status.place.end();
        WorkerStatus::add(&self.status.consumed, consumed as u64);
        WorkerStatus::add(&self.status.produced, std::mem::take(&mut output.sent));
        if output.commit_soon || self.failing.budget(output.taken) == 0 {
            self.committing.hasten();
        }
        for (node, count) in output.take_late() {
            self.status.add_late(&self.application.topology.node_names[node], count);
        }
        Ok(consumed + delivered > 0)
    }

    /// Deals with an error by its kind; see [`ErrorKind`].
    pub(super) fn recover(&mut self, error: TaskError, now: Timestamp) {
        let kind = match &error {
            TaskError::Broker(error) => error.kind,
            TaskError::Final(error) => return self.fail_with(error),
            TaskError::Record(_) => ErrorKind::Record,
        };
        self.status.place.end();
        let error = match error {
            TaskError::Record(error) => return self.recover_record(error, now),
            other => other,
        };
        match kind {
            ErrorKind::Record | ErrorKind::EarlierRecord => self.recover_earlier(error.to_string(), now),
            ErrorKind::Retry | ErrorKind::Abort => {
                // What an abort puts right is tried again soon, but not on and on while no broker answers.
                let is_away = kind == ErrorKind::Retry || self.broker.away().is_some();
                let ms = if is_away { self.retry.failed(now) } else { RETRY_MS };
                tracing::warn!(worker = self.index, %error, "going back to the last commit; going on in {ms} ms");
                self.resume_at = now + ms;
                self.status.retry_at.store(self.resume_at, Ordering::Relaxed);
                self.abort(now);
            }
            ErrorKind::Fenced => {
                tracing::warn!(worker = self.index, %error, "fenced: tasks are opened anew with another producer");
                self.reset();
            }
            ErrorKind::Fatal => self.fail(error.to_string()),
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.application.options
    }

    fn is_at_end(&self) -> bool {
        self.opening.is_empty() && self.uncommitted().is_none() && self.tasks.iter().all(Task::is_at_end)
    }

    /// What is to be committed: state or outputs, positions alone, or nothing.
    pub(super) fn uncommitted(&self) -> Option<bool> {
        self.tasks.iter().filter(|task| task.is_running()).filter_map(Task::uncommitted).max()
    }

    fn next_wake(&self, now: Timestamp) -> Timestamp {
        let intake = self.next_intake().filter(|at| *at > now).unwrap_or(now + IDLE_MS);
        intake.min(self.next_commit(now))
    }

    fn next_commit(&self, now: Timestamp) -> Timestamp {
        let wake = match self.uncommitted() {
            // What a commit that is due waits for wakes the worker.
            Some(true) if self.calls() && self.is_draining(now) => now + IDLE_MS,
            Some(true) => self.committing.due_at(self.options()).clamp(now, now + IDLE_MS),
            _ => now + IDLE_MS,
        };
        let held = self.tasks.iter().map(Task::held_until).filter(|until| *until > now);
        held.min().map_or(wake, |until| until.min(wake))
    }

    pub(super) fn publish_tasks(&self) {
        let opening = self.opening.iter().map(|opening| TaskStatus { id: opening.task, state: TaskState::opening() });
        let tasks = self.tasks.iter().map(|task| {
            let globals = &self.application.topology.sub_topologies[task.id.sub_topology].globals;
            let is_running = self.globals.let_run(task, globals);
            let state = if is_running { TaskState::Running } else { self.restoring.state(task) };
            TaskStatus { id: task.id, state }
        });
        self.status.set_tasks(opening.chain(tasks).chain(self.standbys()).collect());
        self.status.set_positions(self.positions_in_changelogs());
    }
}
