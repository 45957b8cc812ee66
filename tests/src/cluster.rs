//! A broker to run on, with what a client of it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use millstream::broker::Broker;
use millstream_kafka::{GroupProtocol, KafkaBroker, KafkaSettings};
use millstream_local_kafka::{TestBroker, test_brokers};
use millstream_memory::{ClientSettings, MemoryBroker};

/// A broker, and how its groups share out partitions.
#[derive(Clone)]
pub enum Cluster {
    /// The broker in memory.
    Embedded(MemoryBroker),
    /// A Kafka, at this address.
    Kafka {
        /// `host:port`.
        address: String,
        /// The protocol of groups.
        protocol: GroupProtocol,
    },
}

/// Every cluster that a suite runs on; a Kafka twice, once for each group protocol.
pub fn clusters() -> Vec<Cluster> {
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

/// A name that no other test or run has.
pub fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{what}-{since}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Cluster {
    /// A client whose group has that name, and whose member has this one.
    pub fn member(&self, group: &str, name: &str, is_static: bool) -> Result<Arc<dyn Broker>> {
        match self {
            Cluster::Embedded(cluster) => {
                let member_name = format!("{name}-");
                Ok(cluster.client(ClientSettings { member_name, ..ClientSettings::new(group) }))
            }
            Cluster::Kafka { address, protocol } => {
                let mut settings = settings(address, *protocol, group);
                (settings.member_name, settings.static_membership) = (Some(name.to_owned()), is_static);
                if is_static && *protocol == GroupProtocol::Classic {
                    settings.consumer_properties.insert("session.timeout.ms".into(), "30000".into());
                }
                Ok(Arc::new(KafkaBroker::new(settings)?))
            }
        }
    }

    /// A client whose group has that name.
    pub fn client(&self, group: &str) -> Result<Arc<dyn Broker>> {
        match self {
            Cluster::Embedded(cluster) => Ok(cluster.client(ClientSettings::new(group))),
            Cluster::Kafka { address, protocol } => {
                Ok(Arc::new(KafkaBroker::new(settings(address, *protocol, group))?))
            }
        }
    }
}

/// Settings with short timeouts: a member that was killed is missed, and its transaction ended, within seconds.
pub fn settings(address: &str, protocol: GroupProtocol, group: &str) -> KafkaSettings {
    let mut settings = KafkaSettings::new(address, group);
    settings.group_protocol = protocol;
    if protocol == GroupProtocol::Classic {
        settings.consumer_properties.insert("session.timeout.ms".into(), "3000".into());
        settings.consumer_properties.insert("heartbeat.interval.ms".into(), "300".into());
    }
    settings.producer_properties.insert("transaction.timeout.ms".into(), "10000".into());
    settings
}
