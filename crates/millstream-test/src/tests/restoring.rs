//! Restores that do not get through at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use millstream::broker::{
    Assignment, Broker, BrokerError, CleanupPolicy, ErrorKind, GroupMember, NewTopic, PartitionReader, Producer,
    TopicDescription, TopicPartition,
};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::worker::{Application, Instance, Options, Phase, TaskState, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::{input, output};

/// More than are read in a few steps.
const KEYS: i64 = 20_000;
const CHANGELOG: &str = "app-counts-changelog";

/// A broker that is not always there, and whose changelogs were once longer.
struct Faulty {
    broker: Arc<dyn Broker>,
    /// How many readers are refused still, and how many there were in all.
    refused: AtomicU32,
    readers: AtomicU32,
    /// By how much the next answer that says an end is too large.
    longer: AtomicI64,
    /// Before which offset the next reader's records are deleted, once it is there.
    deleted: AtomicI64,
}

impl Broker for Faulty {
    fn describe(&self, topics: &[&str]) -> Result<Vec<Option<TopicDescription>>, BrokerError> {
        self.broker.describe(topics)
    }

    fn create(&self, topics: &[NewTopic]) -> Result<(), BrokerError> {
        self.broker.create(topics)
    }

    fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Result<(), BrokerError> {
        self.broker.delete_records(before)
    }

    fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<i64>, BrokerError> {
        let of_changelog = partitions.iter().any(|partition| *partition.topic == *CHANGELOG);
        let longer = if of_changelog { self.longer.swap(0, Ordering::Relaxed) } else { 0 };
        Ok(self.broker.end_offsets(partitions)?.into_iter().map(|end| end + longer).collect())
    }

    fn offsets_at(&self, partitions: &[TopicPartition], timestamp: i64) -> Result<Vec<Option<i64>>, BrokerError> {
        self.broker.offsets_at(partitions, timestamp)
    }

    fn join(&self, topics: &[&str]) -> Result<Box<dyn GroupMember>, BrokerError> {
        self.broker.join(topics)
    }

    fn reader(&self, assignment: Assignment) -> Result<Box<dyn PartitionReader>, BrokerError> {
        // The control topic is read, too.
        if *assignment.partition.topic != *CHANGELOG {
            return self.broker.reader(assignment);
        }
        self.readers.fetch_add(1, Ordering::Relaxed);
        let is_refused = |left: u32| left.checked_sub(1);
        match self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_refused) {
            Ok(_) => Err(BrokerError::new(ErrorKind::Retry, "away, as the test wants it")),
            Err(_) => {
                let partition = assignment.partition.clone();
                let reader = self.broker.reader(assignment)?;
                self.broker.delete_records(&[(partition, self.deleted.swap(0, Ordering::Relaxed))])?;
                Ok(reader)
            }
        }
    }

    fn producer(&self, topics: &[Arc<str>]) -> Result<Box<dyn Producer>, BrokerError> {
        self.broker.producer(topics)
    }
}

struct Setting {
    broker: Arc<Faulty>,
    application: Arc<Application>,
    now: Timestamp,
}

/// One process with one worker.
struct Process {
    instance: Instance,
    worker: Worker,
}

impl Process {
    fn step(&mut self, now: Timestamp) -> Phase {
        let phase = self.instance.step(Duration::ZERO);
        assert_eq!(self.instance.failure(), None);
        if phase != Phase::Stopped {
            self.worker.step(now);
        }
        phase
    }

    fn state(&self) -> Option<TaskState> {
        self.instance.status()[0].tasks().first().map(|task| task.state)
    }

    fn restored(&self) -> u64 {
        self.instance.status()[0].restored.load(Ordering::Relaxed)
    }
}

impl Setting {
    /// A count of each key, 1 for all, committed, and no process any more.
    fn counted() -> Self {
        let broker = MemoryBroker::new().client(ClientSettings::new("app"));
        let (refused, readers) = (AtomicU32::new(0), AtomicU32::new(0));
        let (longer, deleted) = (AtomicI64::new(0), AtomicI64::new(0));
        let broker = Arc::new(Faulty { broker, refused, readers, longer, deleted });
        let options = Options { commit_interval_ms: 100, warmup_timeout_ms: 0, ..Options::new("app", "one") };
        let count = |b: &TopologyBuilder| {
            let counts = Store::new("counts", Utf8, Be64);
            b.stream(&input()).group_by_key().count(counts).to_stream().to(&output());
        };
        let application = Application::new(options, Arc::new(count)).unwrap();
        for topic in [input(), output()] {
            let (name, cleanup_policy) = (topic.name().to_owned(), CleanupPolicy::Delete);
            let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
            let new = NewTopic { name, partitions: 1, replication_factor: None, cleanup_policy, config };
            broker.create(&[new]).unwrap();
        }
        let plan = application.plan(&*broker).unwrap();
        application.create_topics(&*broker, &plan).unwrap();
        let mut setting = Setting { broker, application, now: 0 };
        setting.pipe();
        let mut process = setting.start();
        setting.finish(&mut process);
        setting
    }

    fn pipe(&self) {
        let mut writer = RecordWriter::new(&*self.broker).unwrap();
        for key in 0..KEYS {
            writer.send(&input(), &Record::new(key.to_string(), Some(0), 0)).unwrap();
        }
        writer.flush().unwrap();
    }

    fn start(&self) -> Process {
        let (instance, mut seeds) =
            Instance::start(self.application.clone(), self.broker.clone(), vec![Arc::new(|| ())]).unwrap();
        Process { instance, worker: Worker::from(seeds.remove(0)) }
    }

    /// Steps until that holds, `ms` a step.
    fn until(&mut self, process: &mut Process, ms: i64, mut holds: impl FnMut(&mut Process) -> bool) {
        for _ in 0..10_000 {
            process.step(self.now);
            self.now += ms;
            if holds(process) {
                return;
            }
        }
        panic!("it does not come to that: {:?}", process.state());
    }

    /// Has it process all that there is, and stops it.
    fn finish(&mut self, process: &mut Process) {
        let broker = self.broker.clone();
        self.until(process, 10, |process| process.instance.is_drained(&*broker).unwrap());
        process.instance.stop();
        self.until(process, 10, |process| process.instance.phase() == Phase::Stopped);
    }

    /// How many keys have which count in the end, after one more record each.
    fn counts_after_one_more(&mut self, process: &mut Process) -> BTreeMap<i64, usize> {
        self.pipe();
        self.finish(process);
        let mut last = BTreeMap::new();
        for placed in read_all(&*self.broker, &output(), Duration::ZERO).unwrap() {
            last.insert(placed.record.key, placed.record.value.unwrap());
        }
        let mut counts = BTreeMap::new();
        last.into_values().for_each(|count| *counts.entry(count).or_default() += 1);
        counts
    }
}

fn is_running(process: &mut Process) -> bool {
    process.state() == Some(TaskState::Running)
}

#[test]
fn a_restore_whose_place_is_gone_begins_anew_with_what_there_is() {
    let mut setting = Setting::counted();
    let mut process = setting.start();
    setting.until(&mut process, 10, |process| process.restored() > 0);
    let read = process.restored() as i64;
    assert!(read < KEYS / 2, "{read}");
    // What lies behind the reader's place too, so that it cannot go on.
    let partition = TopicPartition::new(CHANGELOG, 0);
    // Of the offsets before it some are markers.
    let changelog = Topic::<String, i64>::new(CHANGELOG, Utf8, Be64);
    let rows = read_all(&*setting.broker, &changelog, Duration::ZERO).unwrap();
    let gone = rows.iter().filter(|row| row.offset < read + 1_000).count();
    setting.broker.delete_records(&[(partition, read + 1_000)]).unwrap();
    setting.until(&mut process, 10, is_running);
    assert_eq!(process.restored() as i64, read + KEYS - gone as i64, "{read} of a restore that began anew");
    let counts = setting.counts_after_one_more(&mut process);
    assert_eq!(counts, BTreeMap::from([(1, gone), (2, KEYS as usize - gone)]));
}

#[test]
fn a_restore_to_an_end_that_is_gone_begins_anew() {
    let mut setting = Setting::counted();
    let mut process = setting.start();
    setting.broker.longer.store(10, Ordering::Relaxed);
    let readers = setting.broker.readers.load(Ordering::Relaxed);
    setting.until(&mut process, 1_000, is_running);
    assert_eq!(setting.broker.readers.load(Ordering::Relaxed) - readers, 2);
    assert_eq!(process.restored() as i64, 2 * KEYS);
    assert_eq!(setting.counts_after_one_more(&mut process), BTreeMap::from([(2, KEYS as usize)]));
}

#[test]
fn a_broker_that_is_away_is_asked_ever_more_seldom() {
    let mut setting = Setting::counted();
    let mut process = setting.start();
    let readers = setting.broker.readers.load(Ordering::Relaxed);
    setting.broker.refused.store(u32::MAX, Ordering::Relaxed);
    let begun = setting.now;
    setting.until(&mut process, 10, {
        let mut steps = 0;
        move |_| {
            steps += 1;
            steps == 6_000
        }
    });
    // After 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7 s, and then every 10 s.
    let asked = setting.broker.readers.load(Ordering::Relaxed) - readers;
    assert!((10..=13).contains(&asked), "{asked} times in {} ms", setting.now - begun);
    assert!(matches!(process.state(), Some(TaskState::Restoring { restored: 0, .. })));
    setting.broker.refused.store(0, Ordering::Relaxed);
    setting.until(&mut process, 10, is_running);
    assert_eq!(setting.counts_after_one_more(&mut process), BTreeMap::from([(2, KEYS as usize)]));
}

#[test]
fn a_restore_says_how_long_it_takes() {
    let mut setting = Setting::counted();
    let mut process = setting.start();
    let mut seen = Vec::new();
    setting.until(&mut process, 1_000, |process| {
        if let Some(TaskState::Restoring { restored, total, records_per_second, seconds_left }) = process.state()
            && records_per_second > 0
        {
            assert!(restored < total && total as i64 > KEYS, "{restored} of {total}");
            seen.push((records_per_second, seconds_left.unwrap(), (total - restored).div_ceil(4_096)));
        }
        is_running(process)
    });
    assert!(seen.len() > 2, "{seen:?}");
    assert!(seen.iter().all(|(rate, left, expected)| *rate == 4_096 && left == expected), "{seen:?}");
}

#[test]
fn reading_all_goes_on_with_what_is_left_when_records_are_deleted_meanwhile() {
    let setting = Setting::counted();
    setting.broker.deleted.store(KEYS / 2, Ordering::Relaxed);
    let rows: Topic<String, i64> = Topic::new(CHANGELOG, Utf8, Be64);
    let left = read_all(&*setting.broker, &rows, Duration::from_secs(1)).unwrap();
    assert_eq!(left.first().map(|row| row.offset), Some(KEYS / 2));
    assert_eq!(setting.broker.readers.load(Ordering::Relaxed), 2, "opened again");
}
