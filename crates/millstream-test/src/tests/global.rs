//! Global tables: whole before any task runs, on every worker, and kept up to date.

use std::sync::Arc;

use millstream::prelude::*;
use millstream::topology::{Define, Topology};

use super::stepped::Stepped;
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
    let mut stepped = Stepped::new(6, define);
    stepped.write(&names(), (0..COUNT).map(|n| Record::new(n, format!("name {n}"), 0)));
    stepped.write(&sales(), (0..COUNT).rev().map(|n| Record::new(format!("sale {n}"), n, 0)));
    stepped.run(3);
    let results = stepped.results(&named());
    assert_eq!(results.len(), COUNT as usize);
    for result in results {
        let (key, name) = (result.record.key, result.record.value.unwrap());
        assert_eq!(key.replace("sale", "name"), name);
    }
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
