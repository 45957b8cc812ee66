//! Runs a topology over all that its topics hold, on the broker in memory and in the calling thread: time is moved by hand, and
//! workers take their turns, so two runs over the same records are the same.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use millstream::broker::{Broker, Waker};
use millstream::topology::Define;
use millstream::worker::{Application, Instance, Moment, Options, Phase, Step, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

/// A run that has not ended after so many turns of its workers never does.
const TURNS_MAX: u64 = 100_000_000;

/// A cluster in memory with its clock.
#[derive(Default)]
pub struct BoundedRuns {
    cluster: MemoryBroker,
    now: i64,
}

impl BoundedRuns {
    /// A client of the cluster.
    pub fn broker(&self, group: &str) -> Arc<dyn Broker> {
        self.cluster.client(ClientSettings { session_timeout_ms: i64::MAX, ..ClientSettings::new(group) })
    }

    /// Runs the topology with so many workers until all that is there now is processed, windows that are still open included. A
    /// later run with the same `application_id` goes on where this one ended.
    ///
    /// # Errors
    /// A topology or a record that fails, and what the broker refuses.
    pub fn run(&mut self, application_id: &str, workers: usize, define: Define) -> Result<()> {
        let options = Options {
            workers,
            until: Some(Moment::End),
            // Streams that are joined wait for each other, however long the way through a repartition topic is.
            max_task_idle_ms: 10_000,
            ..Options::new(application_id, "nexmark")
        };
        let broker = self.broker(application_id);
        let application = Application::new(options, define)?;
        let plan = application.plan(&*broker)?;
        application.create_topics(&*broker, &plan)?;
        let wakers = (0..workers).map(|_| Arc::new(|| ()) as Waker).collect();
        let (mut instance, seeds) = Instance::start(application, broker.clone(), wakers)?;
        let mut workers: Vec<Worker> = seeds.into_iter().map(Worker::from).collect();
        for _ in 0..TURNS_MAX {
            if instance.step(Duration::ZERO) == Phase::Stopped {
                return match instance.failure() {
                    Some(failure) => bail!("{application_id} failed: {failure}"),
                    None => Ok(()),
                };
            }
            let mut next = i64::MAX;
            for worker in &mut workers {
                match worker.step(self.now) {
                    Step::Busy => next = self.now,
                    Step::Idle(until) => next = next.min(until),
                    Step::Ended => {}
                }
            }
            if next > self.now && instance.phase() == Phase::Running && instance.is_drained(&*broker)? {
                instance.stop();
                continue;
            }
            // Work takes no time but this, and where there is none the next moment comes at once.
            self.now = (self.now + 1).max(next.min(self.now + IDLE_MS));
            self.cluster.advance_to(self.now);
        }
        bail!("{application_id} does not come to an end")
    }
}

/// How much time passes at most in a turn in which nobody has anything to do.
const IDLE_MS: i64 = 100;
