use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use millstream::worker::{Application, At, WorkerStatus};

/// Notices workers that do not move: user code that hangs, or takes very long for one record.
pub(crate) struct Watchdog {
    /// What names places; none before it is known.
    application: OnceLock<Arc<Application>>,
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
    pub(crate) fn new(stuck_after_ms: i64) -> Self {
        Watchdog { application: OnceLock::new(), stuck_after_ms, workers: Mutex::default() }
    }

    /// Called once, when it is known what runs.
    pub(crate) fn set_application(&self, application: Arc<Application>) {
        let _ = self.application.set(application);
    }

    /// Looks at all workers, at `now` (ms), and writes to the log which of them have not moved for a while: first after a
    /// third of the time after which they are stuck, and then ever more seldom. None is while what they wait for `is_away`.
    pub(crate) fn look(&self, workers: &[Arc<WorkerStatus>], is_away: bool, now: i64) {
        let mut watched = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        watched.resize_with(workers.len(), Watched::default);
        for (worker, (status, watched)) in workers.iter().zip(watched.iter_mut()).enumerate() {
            let seen = (status.moved_at.load(Ordering::Relaxed), status.at());
            // A clock that was set back says nothing about the worker. And one step may take long that gets on all the time.
            let since = match seen.0 == watched.seen.0 || is_away {
                true => now,
                false => seen.0.min(now),
            };
            if seen != watched.seen || is_away || now < watched.since {
                let report_after_ms = self.stuck_after_ms / REPORTED_AFTER_PART;
                *watched = Watched { seen, since, report_after_ms };
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
        Some(self.application.get()?.describe_at(at?))
    }
}

impl std::fmt::Display for Stuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "worker {} has not moved for {} s", self.worker, self.still_ms / 1000)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, ": {place}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    use millstream::prelude::*;
    use millstream::worker::Options;
    use millstream_memory::{ClientSettings, MemoryBroker};

    use super::*;
    use crate::run::{RunOptions, run};

    /// A map that waits for each record until it is told to go on.
    fn waiting(go_on: Arc<Mutex<Receiver<()>>>) -> Arc<dyn Fn(&TopologyBuilder) + Send + Sync> {
        Arc::new(move |b: &TopologyBuilder| {
            let go_on = go_on.clone();
            let wait = move |value: i64| {
                let _ = go_on.lock().unwrap().recv();
                value
            };
            b.stream(&Topic::<String, i64>::new("in", Utf8, Be64)).map_values(wait).to(&Topic::new("out", Utf8, Be64));
        })
    }

    fn loaded(broker: &MemoryBroker) {
        use millstream::broker::{CleanupPolicy, NewTopic};
        use millstream::client::RecordWriter;
        let client = broker.client(ClientSettings::new("load"));
        let topic = |name: &str| NewTopic {
            name: name.to_owned(),
            partitions: 1,
            replication_factor: None,
            cleanup_policy: CleanupPolicy::Delete,
            config: [("retention.ms".to_owned(), "-1".to_owned())].into(),
        };
        client.create(&[topic("in"), topic("out")]).unwrap();
        let input = Topic::new("in", Utf8, Be64);
        let mut writer = RecordWriter::new(&*client).unwrap();
        for value in 0..2 {
            writer.send(&input, &Record::new("a".to_owned(), Some(value), value)).unwrap();
        }
        writer.flush().unwrap();
    }

    fn until(mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < Duration::from_secs(30), "it does not come to be");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_worker_that_hangs_is_told_with_its_record_and_node() {
        let (goes_on, go_on): (Sender<()>, _) = channel();
        let broker = MemoryBroker::new();
        loaded(&broker);
        let application = Application::new(Options::new("app", "a"), waiting(Arc::new(Mutex::new(go_on)))).unwrap();
        let client = broker.client(ClientSettings::new("app"));
        application.create_topics(&*client, &application.plan(&*client).unwrap()).unwrap();
        let watchdog = Watchdog::new(1_000);
        watchdog.set_application(application.clone());
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let workers = Arc::new(Mutex::new(Vec::new()));
        let run = std::thread::spawn({
            let (stop, workers) = (stop.clone(), workers.clone());
            move || {
                let options = RunOptions::new(Duration::from_secs(30));
                run(application, client, &options, &stop, |status| *workers.lock().unwrap() = status)
            }
        });
        until(|| workers.lock().unwrap().first().is_some_and(|worker: &Arc<WorkerStatus>| worker.at().is_some()));
        let workers = workers.lock().unwrap().clone();
        // The clock of this test goes on by itself; the worker stands still.
        let now = workers[0].moved_at.load(Ordering::Relaxed);
        watchdog.look(&workers, false, now);
        assert_eq!(watchdog.stuck(now + 1_000), []);
        let stuck = watchdog.stuck(now + 1_001);
        assert_eq!(stuck.len(), 1);
        let text = stuck[0].to_string();
        assert!(
            text.starts_with(
                "worker 0 has not moved for 1 s: task 0_0, topic in, partition 0, offset 0, node map-values-1"
            ),
            "{text}"
        );
        // The next record of the same step.
        goes_on.send(()).unwrap();
        until(|| workers[0].at().is_some_and(|at| at.record.is_some_and(|(_, offset)| offset == 1)));
        watchdog.look(&workers, false, now + 1_001);
        assert_eq!(watchdog.stuck(now + 1_900), []);
        assert_eq!(watchdog.stuck(now + 2_500).len(), 1);
        // No broker answers: it may be waited for.
        watchdog.look(&workers, true, now + 2_500);
        assert_eq!(watchdog.stuck(now + 2_500), []);
        drop(goes_on);
        stop.store(true, Ordering::Relaxed);
        run.join().unwrap().unwrap();
    }
}
