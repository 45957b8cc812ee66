use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::instances::Instances;
use super::message::{Command, Report};
use super::pause::Pause;
use super::{Application, Guarantee, InstanceStatus, StateServer, WorkerSeed, WorkerStatus};
use crate::broker::{
    Broker, BrokerError, Committed, ErrorKind, GroupMember, PartitionReader, Position, ReaderOf, TopicPartition, Waker,
};
use crate::record::Timestamp;
use crate::task::TaskId;

/// One process of an application: a member of the consumer group, with its workers.
pub struct Instance {
    pub(super) application: Arc<Application>,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) member: Option<Box<dyn GroupMember>>,
    pub(super) workers: Vec<Link>,
    reports: Receiver<Report>,
    /// The partitions that this member has.
    pub(super) owned: BTreeMap<TopicPartition, Owned>,
    /// The tasks that are with a worker.
    pub(super) open: BTreeSet<TaskId>,
    /// Partitions assigned and not answered for yet, as the group's positions are not known.
    pub(super) assigned: Option<Vec<TopicPartition>>,
    /// Partitions to be given up once these workers have let go of them.
    pub(super) closing: Option<Closing>,
    /// Workers that need a new producer.
    pub(super) resets: BTreeSet<usize>,
    /// Where source partitions end, if the run is to end.
    pub(super) stops: BTreeMap<TopicPartition, i64>,
    pub(super) pause: Pause,
    pub(super) phase: Phase,
    stopped: BTreeSet<usize>,
    pub(super) failure: Option<String>,
    pub(super) instances: Instances,
    pub(super) shared: Arc<InstanceStatus>,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its workers restore what it will be given; it has not joined the group yet.
    Warming,
    /// It takes part in the group.
    Running,
    /// Its workers commit and end.
    Stopping,
    /// It has left the group.
    Stopped,
}

/// The way to a worker.
pub(super) struct Link {
    pub(super) commands: Sender<Command>,
    pub(super) waker: Waker,
    pub(super) status: Arc<WorkerStatus>,
}

/// A partition that this member has.
pub(super) struct Owned {
    /// Its reader, while no worker has it.
    pub(super) reader: Option<Box<dyn PartitionReader>>,
    /// Where the reader stands, and what was committed when it was put there; `None` once a worker has had it.
    pub(super) start: Option<(Position, Option<Committed>)>,
}

pub(super) struct Closing {
    pub(super) partitions: Vec<TopicPartition>,
    pub(super) waiting: BTreeSet<usize>,
}

impl Link {
    /// When the worker last moved.
    pub(super) fn moved_at(&self) -> Timestamp {
        self.status.moved_at.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, command: Command) {
        // A worker that has ended reports so itself.
        let _ = self.commands.send(command);
        (self.waker)();
    }
}

impl Instance {
    /// Joins the group, or, where other instances run, begins to restore what it will be given. `wakers` has one for each worker, called when the worker has something to do; the seeds are to
    /// be made [`Worker`](super::Worker)s, each on the thread that steps it.
    pub fn start(
        application: Arc<Application>,
        broker: Arc<dyn Broker>,
        wakers: Vec<Waker>,
    ) -> Result<(Instance, Vec<WorkerSeed>), BrokerError> {
        let stops = application.stops(&*broker)?;
        let (report, reports) = channel();
        let instances = Instances::new(&application, wakers.len());
        let (mut links, mut seeds) = (Vec::new(), Vec::new());
        for (index, waker) in wakers.into_iter().enumerate() {
            let (commands, receive) = channel();
            let status = Arc::new(WorkerStatus::default());
            links.push(Link { commands, waker: waker.clone(), status: status.clone() });
            let (application, broker, reports) = (application.clone(), broker.clone(), report.clone());
            let (commands, executor, known, peers) = (receive, None, instances.shared(), None);
            let seed =
                WorkerSeed { index, application, broker, commands, reports, waker, status, executor, known, peers };
            seeds.push(seed);
        }
        let workers = links.iter().map(|link: &Link| link.status.clone()).collect();
        let mut instance = Instance {
            shared: Arc::new(InstanceStatus::new(workers, instances.shared(), StateServer::new(&links))),
            instances,
            application,
            member: None,
            resets: (0..links.len()).collect(),
            workers: links,
            reports,
            owned: BTreeMap::new(),
            open: BTreeSet::new(),
            assigned: None,
            closing: None,
            stops,
            broker,
            pause: Pause::default(),
            phase: Phase::Running,
            stopped: BTreeSet::new(),
            failure: None,
        };
        instance.begin()?;
        instance.shared.set_phase(instance.phase);
        Ok((instance, seeds))
    }

    /// Goes on: takes the workers' reports, polls the group for up to `timeout`, and does what follows. Without a group to be
    /// polled, while it warms up or stops, it does not wait.
    pub fn step(&mut self, timeout: Duration) -> Phase {
        while let Ok(report) = self.reports.try_recv() {
            self.take(report);
        }
        self.coordinate();
        let gone_on = match self.phase {
            Phase::Warming => self.warm_up(),
            Phase::Running => self.rebalance(timeout),
            Phase::Stopping | Phase::Stopped => Ok(()),
        };
        if let Err(error) = gone_on {
            match error.kind {
                ErrorKind::Retry => tracing::warn!(%error, "the group"),
                _ => self.fail(error.message),
            }
        }
        if self.phase == Phase::Stopping {
            self.finish(timeout);
        }
        self.shared.set_phase(self.phase);
        self.phase
    }

    /// Begins to end: workers commit and let go, then the instance leaves the group.
    pub fn stop(&mut self) {
        if matches!(self.phase, Phase::Warming | Phase::Running) {
            self.phase = Phase::Stopping;
            for worker in &self.workers {
                worker.tell(Command::Stop);
            }
        }
    }

    /// What the instance is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Why the instance stopped by itself, if it did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// What it tells about itself and its workers, to be kept by others.
    pub fn shared_status(&self) -> Arc<InstanceStatus> {
        self.shared.clone()
    }

    /// What the workers tell about themselves.
    pub fn status(&self) -> Vec<Arc<WorkerStatus>> {
        self.workers.iter().map(|worker| worker.status.clone()).collect()
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Closed { worker, readers } => {
                self.take_back(readers);
                if let Some(closing) = &mut self.closing {
                    closing.waiting.remove(&worker);
                }
            }
            Report::Reset { worker, readers } => {
                self.take_back(readers);
                self.open.retain(|task| worker_of(*task, self.workers.len()) != worker);
                self.resets.insert(worker);
            }
            Report::NotOpened { task, readers } => {
                self.take_back(readers);
                self.open.remove(&task);
            }
            Report::Failed { error } => self.fail(error),
            Report::Stopped { worker } => {
                self.stopped.insert(worker);
                if let Some(closing) = &mut self.closing {
                    closing.waiting.remove(&worker);
                }
            }
        }
    }

    fn take_back(&mut self, readers: Vec<ReaderOf>) {
        for (partition, reader) in readers {
            if let Some(owned) = self.owned.get_mut(&partition) {
                *owned = Owned { reader: Some(reader), start: None };
            }
        }
    }

    fn fail(&mut self, error: String) {
        tracing::error!(%error, "stopping");
        self.failure.get_or_insert(error);
        self.stop();
    }

    /// Leaves the group once all workers have ended, which drops every reader that they had.
    fn finish(&mut self, timeout: Duration) {
        if self.stopped.len() < self.workers.len() {
            // Keeps the membership alive; what changes now is answered by leaving.
            if let Some(member) = &mut self.member
                && let Err(error) = member.poll(timeout.min(Duration::from_millis(10)))
            {
                tracing::warn!(%error, "polling the group while stopping");
            }
            return;
        }
        self.owned.clear();
        if let Some(member) = self.member.take()
            && let Err(error) = member.leave()
        {
            tracing::warn!(%error, "leaving the group");
        }
        // After that, as it may take a while, for which the others would stand still.
        self.tell_end();
        self.phase = Phase::Stopped;
    }

    /// The transactional id of a worker, if results are to be exactly once.
    pub(super) fn transactional_id(&self, worker: usize) -> Option<String> {
        let options = &self.application.options;
        (options.guarantee == Guarantee::ExactlyOnce)
            .then(|| format!("{}-{}-{worker}", options.application_id, options.instance_id))
    }
}

/// The worker that a task runs on: always the same one, so that it finds its parked state there.
pub(super) fn worker_of(task: TaskId, workers: usize) -> usize {
    (task.partition as usize + task.sub_topology) % workers
}
