use millstream::broker::{CleanupPolicy, TopicDescription};
use millstream::client::RecordWriter;
use millstream::topology::{Define, Plan, Topology};
use std::sync::Arc;

use super::*;

fn sums_by_group(b: &TopologyBuilder) {
    b.table_from_changelog(&left(), "left")
        .group_by(Topic::new("by-group", Utf8, Be64), |_, (group, value)| (group.clone(), *value))
        .reduce(Store::new("sums", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
        .to_stream()
        .to(&output());
}

fn update(key: &str, value: Option<i64>, time: Timestamp) -> Record<String, Option<(String, i64)>> {
    Record::new(key.to_string(), value.map(|value| ("g".to_string(), value)), time)
}

#[test]
fn a_restart_reads_the_source_topic_up_to_where_it_was_processed() {
    let mut driver = TopologyTestDriver::with_partitions(2, sums_by_group);
    driver.pipe_all(&left(), [update("x", Some(1), 0), update("y", Some(10), 0), update("x", Some(2), 1)]);
    assert_eq!(driver.values(&output()).last(), Some(&12));
    driver.restart_after(|broker| {
        let mut writer = RecordWriter::new(broker).unwrap();
        for record in [update("x", Some(5), 2), update("x", Some(7), 3), update("y", None, 4)] {
            writer.send(&left(), &record).unwrap();
        }
        writer.flush().unwrap();
    });
    // With rows from beyond, 7 or nothing would be subtracted where 2, 5 and 10 must be.
    assert_eq!(driver.values(&output()).last(), Some(&7));
    driver.restart();
    driver.refuse_commit(1);
    driver.pipe_all(&left(), [update("x", Some(8), 5), update("y", Some(2), 5)]);
    assert_eq!(driver.values(&output()).last(), Some(&10));
    driver.restart();
    driver.pipe_all(&left(), [update("x", None, 5)]);
    assert_eq!(driver.values(&output()), [2]);
}

#[test]
fn there_is_no_changelog_beside_the_source_topic() {
    let mut driver = TopologyTestDriver::new(sums_by_group);
    let message = panic_of(move || drop(driver.entries(&Topic::new("test-left-changelog", Bytes, Bytes))));
    assert!(message.contains("does not exist"), "{message}");
}

#[test]
fn a_source_topic_that_forgets_cannot_be_a_changelog() {
    let define: Define = Arc::new(sums_by_group);
    let topology = Topology::build("app", &define).unwrap();
    let plan = |cleanup_policy| {
        let described = TopicDescription { name: "left".to_string(), partitions: 2, cleanup_policy };
        Plan::new(&topology, &BTreeMap::from([("left".to_string(), described)]), None)
    };
    let names = plan(CleanupPolicy::Compact).unwrap().topics.into_iter().map(|topic| topic.topic.name);
    assert_eq!(names.collect::<Vec<_>>(), ["app-by-group-repartition", "app-sums-changelog", "app-instances"]);
    for policy in [CleanupPolicy::Delete, CleanupPolicy::CompactDelete] {
        let message = plan(policy).unwrap_err().to_string();
        let cause =
            format!("source topic left is the changelog of store left and has cleanup.policy={}", policy.as_str());
        assert!(message.contains(&cause), "{message}");
    }
}
