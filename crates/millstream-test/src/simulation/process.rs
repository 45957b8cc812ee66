use std::sync::{Arc, PoisonError};
use std::time::Duration;

use millstream::broker::{Broker, BrokerError, Waker};
use millstream::record::Timestamp;
use millstream::worker::{Application, Instance, Peers, Phase, Step, TaskState, Worker};

use super::network::{MemberPhase, Membership, Network};

/// One process: an instance with its workers, each a thread of its own.
pub(crate) struct Process {
    pub(crate) name: Arc<str>,
    pub(crate) instance: Instance,
    workers: Vec<Worker>,
    membership: Membership,
    /// How far its clock is from the cluster's, in ms.
    pub(crate) skew: i64,
    /// For each thread, the group's first: until when it stands still.
    paused_until: Vec<Timestamp>,
}

/// What became of a step.
#[derive(PartialEq, Eq)]
pub(crate) enum Stepped {
    /// The thread stands still.
    Paused,
    Idle,
    Busy,
    /// The process has ended.
    Ended,
}

impl Process {
    pub(crate) fn start(
        application: &Arc<Application>,
        network: Network,
        peers: Arc<dyn Peers>,
    ) -> Result<Process, BrokerError> {
        let wakers: Vec<Waker> = (0..application.options.workers).map(|_| Arc::new(|| ()) as Waker).collect();
        let (name, membership) = (network.process.clone(), network.membership.clone());
        let (instance, seeds) = Instance::start(application.clone(), Arc::new(network) as Arc<dyn Broker>, wakers)?;
        let workers: Vec<Worker> = seeds.into_iter().map(|seed| Worker::from(seed.with_peers(peers.clone()))).collect();
        let paused_until = vec![Timestamp::MIN; workers.len() + 1];
        Ok(Process { name, instance, workers, membership, skew: 0, paused_until })
    }

    /// How many threads it has: the group's, and one for each worker.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Steps one of its threads.
    ///
    /// # Errors
    /// Why the instance failed.
    pub(crate) fn step(&mut self, thread: usize, now: Timestamp) -> Result<Stepped, String> {
        if self.paused_until[thread] > now {
            return Ok(Stepped::Paused);
        }
        if thread == 0 {
            let phase = self.instance.step(Duration::ZERO);
            return match (self.instance.failure(), phase) {
                (Some(failure), _) => Err(format!("{} failed: {failure}", self.name)),
                (None, Phase::Stopped) => Ok(Stepped::Ended),
                _ => Ok(Stepped::Idle),
            };
        }
        match self.workers[thread - 1].step(now + self.skew) {
            Step::Busy => Ok(Stepped::Busy),
            Step::Idle(_) | Step::Ended => Ok(Stepped::Idle),
        }
    }

    /// Has a thread, or all, stand still until then.
    pub(crate) fn pause(&mut self, thread: Option<usize>, until: Timestamp) {
        match thread {
            Some(thread) => self.paused_until[thread] = until,
            None => self.paused_until.fill(until),
        }
    }

    pub(crate) fn is_restoring(&self) -> bool {
        let status = self.instance.status();
        status.iter().flat_map(|worker| worker.tasks()).any(|task| matches!(task.state, TaskState::Restoring { .. }))
    }

    /// What its tasks are doing, for who wonders why they do not come to rest.
    pub(crate) fn states(&self) -> Vec<String> {
        let status = self.instance.status();
        let tasks = status.iter().flat_map(|worker| worker.tasks());
        tasks.map(|task| format!("{} {:?}", task.id, task.state)).collect()
    }

    pub(crate) fn member_phase(&self) -> MemberPhase {
        *self.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
