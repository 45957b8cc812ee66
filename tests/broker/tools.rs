//! What Kafka's own tools and a Java consumer see.

use millstream::worker::Guarantee;
use millstream_kafka::GroupProtocol;
use millstream_local_kafka::{LocalKafka, TestBroker, test_brokers};
use millstream_tests::check::check;
use millstream_tests::cluster::Cluster;
use millstream_tests::running::{Running, until};
use millstream_tests::workload::{KEYS, Load, PARTITIONS, Workload};

use crate::support::{options, unique};

const RECORDS: u64 = 2 * KEYS;

/// The lag of each partition of a topic that `kafka-consumer-groups --describe` shows.
fn lags(kafka: &LocalKafka, group: &str, topic: &str) -> Vec<u64> {
    let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    let text = kafka.tool(class, &["--describe", "--group", group]).unwrap();
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.get(1) == Some(&topic));
    rows.map(|row| row[5].parse().unwrap_or_else(|_| panic!("no lag in {row:?} of\n{text}"))).collect()
}

#[test]
fn kafkas_tools_see_the_lag_and_a_java_consumer_reads_the_outputs() {
    if !test_brokers().iter().any(|broker| matches!(broker, TestBroker::Kafka(_))) {
        println!("tools: not run, as only the embedded broker is here");
        return;
    }
    let kafka = LocalKafka::start().unwrap();
    let id = unique("tools");
    let workload = Workload(id.clone());
    let cluster = Cluster::Kafka { address: kafka.bootstrap_servers().to_owned(), protocol: GroupProtocol::Classic };
    let broker = cluster.client(&id).unwrap();
    workload.prepare(&*broker).unwrap();
    let start = |instance| {
        let broker = cluster.client(&id).unwrap();
        Running::start(options(&id, instance, 2, Guarantee::ExactlyOnce), workload.define(), broker).unwrap()
    };
    let mut load = Load::new(&*broker, &workload).unwrap();
    let all_out = |total: u64| {
        until("all outputs", || Ok(check(&*broker, &workload)?.bucket_outputs == total)).unwrap();
    };

    let first = start(0);
    load.write_until(RECORDS / 2).unwrap();
    all_out(RECORDS / 2);
    first.stop().unwrap();
    let increments = workload.increments().name().to_owned();
    let caught_up = vec![0; PARTITIONS as usize];
    assert_eq!(lags(&kafka, &id, &increments), caught_up);

    load.write_until(RECORDS).unwrap();
    assert_eq!(lags(&kafka, &id, &increments).iter().sum::<u64>(), RECORDS / 2);

    let second = start(1);
    all_out(RECORDS);
    second.stop().unwrap();
    assert_eq!(lags(&kafka, &id, &increments), caught_up);

    let java = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let longs = "org.apache.kafka.common.serialization.LongDeserializer";
    let output = kafka.tool(
        java,
        &[
            "--topic",
            workload.bucket_counts().name(),
            "--from-beginning",
            "--max-messages",
            &RECORDS.to_string(),
            "--isolation-level",
            "read_committed",
            "--formatter-property",
            "print.key=true",
            "--formatter-property",
            &format!("key.deserializer={longs}"),
            "--formatter-property",
            &format!("value.deserializer={longs}"),
        ],
    );
    let output = output.unwrap();
    let mut last = std::collections::BTreeMap::new();
    for line in output.lines() {
        let (bucket, count) = line.split_once('\t').unwrap_or_else(|| panic!("{line:?} in\n{output}"));
        let (bucket, count): (u64, u64) = (bucket.parse().unwrap(), count.parse().unwrap());
        assert_eq!(last.insert(bucket, count).unwrap_or(0) + 1, count, "bucket {bucket}");
    }
    assert_eq!(last.values().sum::<u64>(), RECORDS);
}
