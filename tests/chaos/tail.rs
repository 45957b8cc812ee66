use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use millstream::broker::{Assignment, Broker, Fetched, Position, TopicPartition};

/// Reads a topic as it grows (`read_committed`), on a thread of its own, and notes when records arrive.
pub(crate) struct Tail {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    thread: JoinHandle<Result<()>>,
}

/// What has arrived of a partition since [`Tail::begin`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// When the last record arrived.
    last: Instant,
    /// The longest time between two arrivals.
    gap: Duration,
    /// Records with this timestamp (ms) or a later one are new.
    new_from: i64,
    /// When the first new record arrived.
    pub(crate) first_new: Option<Instant>,
    /// How many records arrived.
    pub(crate) records: u64,
}

const READ_MAX: usize = 10_000;
/// How exact the times are.
const NAP: Duration = Duration::from_millis(2);

impl Seen {
    fn take(&mut self, timestamp: i64, now: Instant) {
        self.gap = self.gap.max(now - self.last);
        self.last = now;
        self.records += 1;
        if timestamp >= self.new_from {
            self.first_new.get_or_insert(now);
        }
    }

    /// The longest time between two arrivals, or since the last one.
    pub(crate) fn gap(&self) -> Duration {
        self.gap.max(self.last.elapsed())
    }
}

impl Tail {
    /// Reads `partitions` partitions of a topic from their ends on.
    pub(crate) fn start(broker: &dyn Broker, topic: &str, partitions: i32) -> Result<Tail> {
        let fresh = Seen { last: Instant::now(), gap: Duration::ZERO, new_from: 0, first_new: None, records: 0 };
        let seen = Arc::new(Mutex::new(vec![fresh; partitions as usize]));
        let stop = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::new();
        for number in 0..partitions {
            let partition = TopicPartition::new(topic, number);
            readers.push(broker.reader(Assignment { partition, from: Position::End, waker: Arc::new(|| ()) })?);
        }
        let thread = std::thread::spawn({
            let (seen, stop) = (seen.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    for (partition, reader) in readers.iter_mut().enumerate() {
                        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                        reader.read(READ_MAX, &mut |fetched| {
                            if let Fetched::Record(message) = fetched {
                                seen[partition].take(message.timestamp, Instant::now());
                            }
                            ControlFlow::Continue(())
                        })?;
                    }
                    std::thread::sleep(NAP);
                }
                Ok(())
            }
        });
        Ok(Tail { stop, seen, thread })
    }

    /// Forgets gaps and counts; records with the timestamp `new_from` (ms) or a later one are new.
    pub(crate) fn begin(&self, new_from: i64) {
        for seen in self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            *seen = Seen { last: seen.last, gap: Duration::ZERO, new_from, first_new: None, records: 0 };
        }
    }

    /// What has arrived of each partition.
    pub(crate) fn look(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that reads the output panicked"))?
    }
}
