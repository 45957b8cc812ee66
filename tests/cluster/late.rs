//! A request to end a transaction that arrives when the transaction is over: it must not end the next one.

use std::collections::BTreeMap;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use millstream::broker::{Broker, CleanupPolicy, NewTopic, Outgoing, TopicId};
use millstream::client::read_all;
use millstream::prelude::{Headers, Topic, Utf8};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_local_kafka::{BROKERS, LocalCluster};
use millstream_tests::cluster::settings;
use millstream_tests::proxy::{Faults, Proxy};

use crate::turn;

/// How late the request is.
const LATE: Duration = Duration::from_secs(4);
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn an_abort_that_arrives_late_ends_no_other_transaction() {
    let Some(_turn) = turn() else { return };
    let proxies: Vec<Proxy> = (0..BROKERS).map(|index| Proxy::start(index as u64).unwrap()).collect();
    let cluster = LocalCluster::start(Some(std::array::from_fn(|index| proxies[index].port()))).unwrap();
    proxies.iter().zip(cluster.client_ports()).for_each(|(proxy, port)| proxy.lead_to(port));
    let client = |servers: &str| KafkaBroker::new(settings(servers, GroupProtocol::Classic, "late")).unwrap();
    let (direct, broker) = (client(&cluster.direct_servers()), client(&cluster.bootstrap_servers()));
    direct.wait_until_up(LIMIT, &mut |_| ()).unwrap();
    let (cleanup_policy, config) = (CleanupPolicy::Delete, BTreeMap::new());
    let topic = NewTopic { name: "late".into(), partitions: 2, replication_factor: None, cleanup_policy, config };
    direct.create(&[topic]).unwrap();

    let mut member = broker.join(&["late"]).unwrap();
    let mut producer = member.producer(Some("late-0"), &["late".into()]).unwrap();
    let headers = Headers::default();
    let record = |partition, value: &'static str| Outgoing {
        topic: TopicId(0),
        partition: Some(partition),
        timestamp: 1,
        key: Some(b"key"),
        value: Some(value.as_bytes()),
        headers: &headers,
    };
    producer.send(record(0, "aborted")).unwrap();
    assert!(producer.flush(LIMIT).unwrap());

    // The request for the end is on its way when its connection breaks, and is repeated on another one.
    let since = Instant::now();
    proxies.iter().for_each(|proxy| proxy.set(Faults { latency: LATE, ..Faults::default() }));
    scope(|threads| {
        threads.spawn(|| {
            sleep(LATE / 8);
            proxies.iter().for_each(|proxy| proxy.set(Faults::default()));
            proxies.iter().for_each(Proxy::cut);
        });
        producer.abort().unwrap();
    });
    assert!(since.elapsed() < LATE, "the abort waited for the late request");

    producer.send(record(0, "before")).unwrap();
    assert!(producer.flush(LIMIT).unwrap());
    assert!(since.elapsed() < LATE, "the next transaction had not begun when the late request came");
    sleep((LATE + Duration::from_secs(2)).saturating_sub(since.elapsed()));
    producer.send(record(1, "after")).unwrap();
    producer.commit(&[]).unwrap();

    let read = read_all(&direct, &Topic::new("late", Utf8, Utf8), LIMIT).unwrap();
    let mut values: Vec<String> = read.into_iter().filter_map(|placed| placed.record.value).collect();
    values.sort();
    assert_eq!(values, ["after", "before"], "a transaction is whole");
}
