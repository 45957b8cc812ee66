//! A Kafka of three brokers, and instances as processes, disturbed for three minutes: the short form of `cargo chaos cluster`.
//! In a suite of its own, so that nothing runs beside it.
//!
//! Runs where a Kafka can be started, and must run where `MILLSTREAM_TEST_BROKER` is `kafka`.

mod late;
mod missed;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use millstream::broker::{Broker, BrokerError, CleanupPolicy, ErrorKind, NewTopic, TopicPartition};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_local_kafka::{LocalCluster, is_available, is_kafka_promised};
use millstream_tests::cluster::settings;
use serde_json::Value;

/// One test at a time, if a Kafka may be started.
fn turn() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    let asked = std::env::var("MILLSTREAM_TEST_BROKER").unwrap_or_default();
    if !is_kafka_promised() && (!asked.is_empty() || is_available().is_err()) {
        println!("cluster: not run, as no Kafka of three brokers is to be started, or can be");
        return None;
    }
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Asks for the partitions' ends until the answer is as it should be.
fn ends_until(broker: &dyn Broker, what: &str, is_right: impl Fn(&Result<Vec<i64>, BrokerError>) -> bool) {
    let partitions: Vec<_> = (0..3).map(|partition| TopicPartition::new("alone", partition)).collect();
    let since = Instant::now();
    loop {
        let answer = broker.end_offsets(&partitions);
        if is_right(&answer) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "waited for {what}: {answer:?}");
        sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_partition_that_had_no_leader_is_asked_for_again() {
    let Some(_turn) = turn() else { return };
    let mut cluster = LocalCluster::start(None).unwrap();
    // A client that has described a topic keeps its leaders up to date by itself: one creates it, another one asks.
    let client = || KafkaBroker::new(settings(&cluster.bootstrap_servers(), GroupProtocol::Classic, "alone")).unwrap();
    let (creator, broker) = (client(), client());
    creator.wait_until_up(Duration::from_secs(30), &mut |_| ()).unwrap();
    // A partition on each broker, and on no other.
    let alone = NewTopic {
        name: "alone".into(),
        partitions: 3,
        replication_factor: Some(1),
        cleanup_policy: CleanupPolicy::Delete,
        config: BTreeMap::from([("min.insync.replicas".to_owned(), "1".to_owned())]),
    };
    creator.create(&[alone]).unwrap();
    drop(creator);
    ends_until(&broker, "three ends", |answer| answer == &Ok(vec![0, 0, 0]));

    cluster.broker(0).kill().unwrap();
    ends_until(&broker, "a partition without a leader", |answer| {
        answer.as_ref().is_err_and(|e| e.kind == ErrorKind::Retry && e.message.contains("LeaderNotAvailable"))
    });
    cluster.broker(0).kill_and_restart().unwrap();
    ends_until(&broker, "three ends again", |answer| answer == &Ok(vec![0, 0, 0]));
}

#[test]
fn exactly_once_on_three_brokers_over_kills_and_broken_connections() {
    let Some(_turn) = turn() else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
    command.args(["cluster", "--json", "--minutes", "3", "--seed", "2", "--rate", "500"]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_else(|| panic!("no report, but\n{log}"));
    println!("{log}{last}");
    let report: Value = serde_json::from_str(last).unwrap();
    assert!(output.status.success() && report["ok"] == true, "{report}");
    let count = |name: &str| report[name].as_u64().unwrap_or_default();
    assert!(count("records") > 80_000 && count("outputs") == count("records"), "{report}");
    for event in ["instance_kills", "instance_stops", "broker_kills", "cuts", "lost_answers"] {
        assert!(count(event) > 0, "no {event}: {report}");
    }
}
