use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::RecordWriter;
use millstream::prelude::*;
use millstream::topology::Define;

/// How many partitions its topics have.
pub(crate) const PARTITIONS: i32 = 12;

/// A count by key of input that comes steadily. Its topics' names begin with this.
#[derive(Clone, Debug)]
pub(crate) struct Steady(pub(crate) String);

impl Steady {
    fn topic(&self, name: &str) -> Topic<u64, i64> {
        Topic::new(format!("{}-{name}", self.0), Be64, Be64)
    }

    /// The input; a record's timestamp says when it was written, by [`Clock`].
    pub(crate) fn input(&self) -> Topic<u64, i64> {
        self.topic("input")
    }

    /// The output: for each record of the input its key's count, with the record's timestamp.
    pub(crate) fn output(&self) -> Topic<u64, i64> {
        self.topic("output")
    }

    /// The topology.
    pub(crate) fn define(&self) -> Define {
        let steady = self.clone();
        Arc::new(move |b: &TopologyBuilder| {
            let counts = b.stream(&steady.input()).group_by_key().count(Store::new("counts", Be64, Be64));
            counts.to_stream().to(&steady.output());
        })
    }

    /// Creates the topics.
    pub(crate) fn prepare(&self, broker: &dyn Broker) -> Result<()> {
        let topics = [self.input(), self.output()].map(|topic| NewTopic {
            name: topic.name().to_owned(),
            partitions: PARTITIONS,
            replication_factor: None,
            cleanup_policy: CleanupPolicy::Delete,
            config: BTreeMap::new(),
        });
        Ok(broker.create(&topics)?)
    }

    /// Writes one record for each key.
    pub(crate) fn fill(&self, broker: &dyn Broker, keys: u64, clock: Clock) -> Result<()> {
        let mut writer = RecordWriter::new(broker)?;
        let input = self.input();
        for key in 0..keys {
            writer.send(&input, &Record::new(key, Some(0), clock.now_ms()))?;
        }
        Ok(writer.flush()?)
    }
}

/// The one clock: ms since 1970 when it was made, and from there on without leaps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    since: Instant,
    since_ms: i64,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        let since_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        Clock { since: Instant::now(), since_ms }
    }

    pub(crate) fn now_ms(self) -> i64 {
        self.since_ms + self.since.elapsed().as_millis() as i64
    }
}

/// Writes at a steady rate on a thread of its own, in turn for all keys.
pub(crate) struct Input {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

const TICK: Duration = Duration::from_millis(5);

impl Input {
    pub(crate) fn start(broker: &dyn Broker, steady: &Steady, keys: u64, rate: u64, clock: Clock) -> Result<Input> {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut writer = RecordWriter::new(broker)?;
        let input = steady.input();
        let (told, tell) = (stop.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            let (since, mut count) = (Instant::now(), 0);
            while !told.load(Ordering::Relaxed) {
                while count < (since.elapsed().as_secs_f64() * rate as f64) as u64 {
                    writer.send(&input, &Record::new(count % keys, Some(1), clock.now_ms()))?;
                    count += 1;
                }
                tell.store(count, Ordering::Relaxed);
                std::thread::sleep(TICK);
            }
            Ok(writer.flush()?)
        });
        Ok(Input { stop, written, thread })
    }

    /// How many records it has written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that writes the input panicked"))?
    }
}
