//! A Kafka that goes away under an instance, and comes back or does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::RecordWriter;
use millstream::prelude::*;
use millstream::topology::Define;
use millstream::worker::{Application, Guarantee, Options, WorkerStatus};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_local_kafka::{LocalKafka, TestBroker, test_brokers};
use millstream_service::run::{RunError, RunOptions, run};
use millstream_tests::cluster::settings;
use millstream_tests::running::{Running, until};

use crate::support::{options, unique};

/// A Kafka of the test's own, if tests have one at all.
fn kafka() -> Option<LocalKafka> {
    let has_kafka = test_brokers().iter().any(|broker| matches!(broker, TestBroker::Kafka(_)));
    has_kafka.then(|| LocalKafka::start().unwrap())
}

struct Setting {
    broker: Arc<dyn Broker>,
    input: Topic<String, i64>,
    define: Define,
    options: Options,
}

impl Setting {
    fn new(kafka: &LocalKafka, guarantee: Guarantee) -> Self {
        let id = unique("away");
        let settings = settings(kafka.bootstrap_servers(), GroupProtocol::Classic, &id);
        let broker = Arc::new(KafkaBroker::new(settings).unwrap());
        let (input, output) = (format!("{id}-in"), format!("{id}-out"));
        for name in [&input, &output] {
            let (name, cleanup_policy, config) = (name.clone(), CleanupPolicy::Delete, BTreeMap::new());
            broker
                .create(&[NewTopic { name, partitions: 2, replication_factor: None, cleanup_policy, config }])
                .unwrap();
        }
        let input = Topic::new(input.as_str(), Utf8, Be64);
        let (from, to) = (input.clone(), Topic::<String, i64>::new(output.as_str(), Utf8, Be64));
        let define = Arc::new(move |b: &TopologyBuilder| {
            b.stream(&from).group_by_key().count(Store::new("counts", Utf8, Be64)).to_stream().to(&to);
        });
        Setting { broker, input, define, options: options(&id, 0, 1, guarantee) }
    }

    fn write(&self, records: i64) {
        let mut writer = RecordWriter::new(&*self.broker).unwrap();
        for key in 0..records {
            writer.send(&self.input, &Record::new(key.to_string(), Some(0), 1_767_225_600_000)).unwrap();
        }
        writer.flush().unwrap();
    }

    fn start(&self, options: Options) -> Running {
        Running::start(options, self.define.clone(), self.broker.clone()).unwrap()
    }

    fn until_away(&self, is_away: bool) {
        until("the broker's coming or going", || Ok(self.broker.away().is_some() == is_away)).unwrap();
    }
}

fn has_processed(running: &Running, records: u64) -> bool {
    running.sum(|status: &WorkerStatus| &status.consumed) >= records
}

#[test]
fn an_instance_waits_for_a_broker_and_goes_on_or_ends_when_it_is_told_to() {
    let Some(mut kafka) = kafka() else { return };
    let setting = Setting::new(&kafka, Guarantee::ExactlyOnce);
    setting.write(100);
    let running = setting.start(setting.options.clone());
    until("the first records", || Ok(has_processed(&running, 100))).unwrap();
    assert_eq!(setting.broker.away(), None);
    kafka.stop().unwrap();
    setting.until_away(true);
    thread::sleep(Duration::from_secs(3));
    assert!(setting.broker.away().unwrap().since >= Duration::from_secs(3));
    kafka.restart().unwrap();
    setting.until_away(false);
    setting.write(100);
    until("the records after it", || Ok(has_processed(&running, 200))).unwrap();
    running.stop().unwrap();

    let impatient = Options { broker_lost_timeout_ms: 2_000, ..setting.options.clone() };
    let running = setting.start(impatient);
    until("the restored tasks", || Ok(running.runs(2))).unwrap();
    kafka.stop().unwrap();
    let RunError::Lost(away) = running.failure().unwrap() else { panic!("it failed for another reason") };
    assert!(away.since >= Duration::from_secs(2) && away.since < Duration::from_secs(20), "{away}");
}

#[test]
fn an_instance_that_cannot_commit_ends_in_time() {
    let Some(mut kafka) = kafka() else { return };
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let setting = Setting::new(&kafka, guarantee);
        setting.write(100);
        let application = Application::new(setting.options.clone(), setting.define.clone()).unwrap();
        let plan = application.plan(&*setting.broker).unwrap();
        application.create_topics(&*setting.broker, &plan).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let timeout = Duration::from_millis(4_500);
        let (workers, instance) = {
            let (told, tell) = std::sync::mpsc::channel();
            let (stop, broker) = (stop.clone(), setting.broker.clone());
            let instance = thread::spawn(move || {
                let options = RunOptions::new(timeout);
                run(application, broker, &options, &stop, |workers| told.send(workers).unwrap())
            });
            (tell.recv().unwrap(), instance)
        };
        let commits = || workers[0].commits.load(Ordering::Relaxed);
        until("the first commit", || Ok(commits() > 0)).unwrap();
        // So that there is always something that is not committed.
        let writing = {
            let (broker, input, stop) = (setting.broker.clone(), setting.input.clone(), stop.clone());
            thread::spawn(move || {
                let mut writer = RecordWriter::new(&*broker).unwrap();
                for key in 0.. {
                    let record = Record::new(key.to_string(), Some(0), 1_767_225_600_000);
                    if stop.load(Ordering::Relaxed) || writer.send(&input, &record).is_err() {
                        return;
                    }
                }
            })
        };
        let before = commits();
        until("commits under load", || Ok(commits() > before + 3)).unwrap();
        kafka.stop().unwrap();
        setting.until_away(true);
        let stopped = Instant::now();
        stop.store(true, Ordering::Relaxed);
        let ended = instance.join().unwrap();
        assert!(stopped.elapsed() < timeout, "{guarantee:?}: {ended:?} after {:?}", stopped.elapsed());
        let Err(RunError::Away(away)) = &ended else { panic!("{guarantee:?}: {ended:?}") };
        assert!(!away.reason.is_empty());
        writing.join().unwrap();
        kafka.restart().unwrap();
    }
}
