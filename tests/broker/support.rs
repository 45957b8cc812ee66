use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use millstream::worker::{Guarantee, Options};
use millstream_kafka::GroupProtocol;
use millstream_local_kafka::{TestBroker, test_brokers};
use millstream_memory::MemoryBroker;
use millstream_tests::cluster::Cluster;

/// A name that no other test or run has.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("{what}-{now}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Every cluster that the suite runs on; a Kafka twice, once for each group protocol.
pub(crate) fn clusters() -> Vec<Cluster> {
    let mut clusters = Vec::new();
    for broker in test_brokers() {
        match broker {
            TestBroker::Embedded => clusters.push(Cluster::Embedded(MemoryBroker::new())),
            TestBroker::Kafka(address) => {
                for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
                    clusters.push(Cluster::Kafka { address: address.clone(), protocol });
                }
            }
        }
    }
    clusters
}

pub(crate) fn options(application_id: &str, instance: usize, workers: usize, guarantee: Guarantee) -> Options {
    Options { workers, guarantee, ..Options::new(application_id, format!("instance-{instance}")) }
}
