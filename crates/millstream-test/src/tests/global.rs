//! Global tables: whole before any task runs, on every worker, and kept up to date.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{Broker, CleanupPolicy, NewTopic, Waker};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::topology::{Define, Topology};
use millstream::worker::{Application, Instance, Options, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};

use crate::TopologyTestDriver;

fn names() -> Topic<i64, String> {
    Topic::new("names", Be64, Utf8)
}

fn sales() -> Topic<String, i64> {
    Topic::new("sales", Utf8, Be64)
}

fn named() -> Topic<String, String> {
    Topic::new("named", Utf8, Utf8)
}

fn define(b: &TopologyBuilder) {
    let names = b.global_table(&names(), "names");
    b.stream(&sales())
        .left_join_global(&names, |_, customer| *customer, |_, name: Option<&String>| name.cloned().unwrap_or_default())
        .to(&named());
}

#[test]
fn rows_change_go_and_come_back() {
    let mut driver = TopologyTestDriver::with_partitions(4, define);
    let sell = |driver: &mut TopologyTestDriver| {
        driver.pipe(&sales(), "x".to_string(), 7, 0);
        driver.values(&named())
    };
    assert_eq!(sell(&mut driver), [""]);
    driver.pipe(&names(), 7, "Ann".to_string(), 100);
    assert_eq!(sell(&mut driver), ["Ann"]);
    driver.pipe(&names(), 7, "Bob".to_string(), 50);
    assert_eq!(sell(&mut driver), ["Bob"], "the last in the partition counts");
    driver.restart();
    assert_eq!(sell(&mut driver), ["Bob"]);
    driver.pipe_null(&names(), 7, 0);
    assert_eq!(sell(&mut driver), [""]);
    driver.restart();
    assert_eq!(sell(&mut driver), [""]);
}

#[test]
fn a_record_without_key_is_skipped() {
    let mut driver = TopologyTestDriver::new(define);
    let nameless: Topic<Option<i64>, String> = Topic::new("names", Nullable(Be64), Utf8);
    driver.pipe(&nameless, None, "Ann".to_string(), 0);
    driver.pipe(&sales(), "x".to_string(), 0, 0);
    assert_eq!(driver.values(&named()), [""]);
}

/// Many names and as many sales are there before three workers with six partitions begin; the first sales are of the last
/// names.
#[test]
fn a_table_is_whole_on_every_worker_before_any_record_is_joined() {
    const COUNT: i64 = 40_000;
    let cluster = MemoryBroker::new();
    let broker = cluster.client(ClientSettings::new("test"));
    create(&*broker, &["names", "sales", "named"], 6);
    let mut writer = RecordWriter::new(&*broker).unwrap();
    for n in 0..COUNT {
        writer.send(&names(), &Record::new(n, Some(format!("name {n}")), 0)).unwrap();
        let of = COUNT - 1 - n;
        writer.send(&sales(), &Record::new(format!("sale {of}"), Some(of), 0)).unwrap();
    }
    writer.flush().unwrap();

    let define: Define = Arc::new(define);
    let application = Application::new(Options::new("test", "one"), define).unwrap();
    let plan = application.plan(&*broker).unwrap();
    application.create_topics(&*broker, &plan).unwrap();
    let waker: Waker = Arc::new(|| ());
    let (mut instance, seeds) = Instance::start(application, broker.clone(), vec![waker; 3]).unwrap();
    let mut workers: Vec<Worker> = seeds.into_iter().map(Worker::from).collect();
    for now in 0..10_000 {
        instance.step(Duration::ZERO);
        for worker in &mut workers {
            worker.step(now);
        }
        assert_eq!(instance.failure(), None);
        if now > 10 && instance.is_drained(&*broker).unwrap() {
            break;
        }
    }
    let results = read_all(&*broker, &named(), Duration::ZERO).unwrap();
    assert_eq!(results.len(), COUNT as usize);
    for result in results {
        let (key, name) = (result.record.key, result.record.value.unwrap());
        assert_eq!(key.replace("sale", "name"), name);
    }
}

fn create(broker: &dyn Broker, names: &[&str], partitions: i32) {
    let topics = names.iter().map(|name| NewTopic {
        name: (*name).to_owned(),
        partitions,
        replication_factor: None,
        cleanup_policy: CleanupPolicy::Delete,
        config: BTreeMap::new(),
    });
    broker.create(&topics.collect::<Vec<_>>()).unwrap();
}

#[test]
fn a_global_topic_is_a_source_but_no_input() {
    let define: Define = Arc::new(define);
    let topology = Topology::build("app", &define).unwrap();
    assert_eq!(topology.source_topics(), ["names".into(), "sales".into()]);
    assert_eq!(topology.sub_topologies.len(), 1);
    assert_eq!(topology.sub_topologies[0].sources, ["sales".into()]);
    assert!(
        topology.to_string().contains("left-join-global-1: left-join-global <- source-sales [names]"),
        "{topology}"
    );
    assert!(topology.to_string().ends_with("global table names: names\n"), "{topology}");
}

#[test]
fn a_name_is_given_once_among_stores_and_global_tables() {
    let define: Define = Arc::new(|b| {
        b.global_table(&names(), "names");
        b.table(&sales(), Store::new("names", Utf8, Be64));
    });
    let error = Topology::build("app", &define).unwrap_err().to_string();
    assert!(error.contains("two stores are named names"), "{error}");
}
