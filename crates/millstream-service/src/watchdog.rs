use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use millstream::worker::{Application, At, WorkerStatus};

/// Notices workers that do not move: user code that hangs, or takes very long for one record.
pub(crate) struct Watchdog {
    application: Arc<Application>,
    /// After how long at one place a worker is taken for stuck, in ms.
    stuck_after_ms: i64,
    workers: Mutex<Vec<Watched>>,
}

/// How far a worker was when it was looked at last.
#[derive(Default)]
struct Watched {
    /// When its last step began, and where it was in it.
    seen: (i64, Option<At>),
    /// Since when it is there.
    since: i64,
    /// After how long there it is reported next, in ms.
    report_after_ms: i64,
}

/// A worker that does not move.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    worker: usize,
    still_ms: i64,
    /// The record and the node that it is at, if it is at one.
    place: Option<String>,
}

/// A worker is reported first after this part of the time after which it is taken for stuck.
const REPORTED_AFTER_PART: i64 = 3;

impl Watchdog {
    pub(crate) fn new(application: Arc<Application>, stuck_after_ms: i64) -> Self {
        Watchdog { application, stuck_after_ms, workers: Mutex::default() }
    }

    /// Looks at all workers, at `now` (ms), and writes to the log which of them have not moved for a while: first after a
    /// third of the time after which they are stuck, and then ever more seldom.
    pub(crate) fn look(&self, workers: &[Arc<WorkerStatus>], now: i64) {
        let mut watched = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        watched.resize_with(workers.len(), Watched::default);
        for (worker, (status, watched)) in workers.iter().zip(watched.iter_mut()).enumerate() {
            let seen = (status.moved_at.load(Ordering::Relaxed), status.at());
            // A clock that was set back says nothing about the worker.
            if seen != watched.seen || now < watched.since {
                let report_after_ms = self.stuck_after_ms / REPORTED_AFTER_PART;
                *watched = Watched { seen, since: now, report_after_ms };
            } else if now - watched.since >= watched.report_after_ms {
                watched.report_after_ms *= 2;
                let place = self.place(seen.1);
                let place = place.as_deref().unwrap_or("between records: in a commit, or in a call to the broker");
                tracing::error!(worker, "has not moved for {} s: {place}", (now - watched.since) / 1000);
            }
        }
    }

    /// The workers that are stuck, as far as they were looked at.
    pub(crate) fn stuck(&self, now: i64) -> Vec<Stuck> {
        let watched = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let still = watched.iter().enumerate().map(|(worker, watched)| (worker, now - watched.since, watched.seen.1));
        still
            .filter(|(_, still_ms, _)| *still_ms > self.stuck_after_ms)
            .map(|(worker, still_ms, at)| Stuck { worker, still_ms, place: self.place(at) })
            .collect()
    }

    fn place(&self, at: Option<At>) -> Option<String> {
        at.map(|at| self.application.describe_at(at))
    }
}

impl std::fmt::Display for Stuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "worker {} has not moved for {} s", self.worker, self.still_ms / 1000)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, ": {place}"))
    }
}
