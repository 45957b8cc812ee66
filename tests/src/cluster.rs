//! A broker to run on, with what a client of it needs.

use std::sync::Arc;

use anyhow::Result;
use millstream::broker::Broker;
use millstream_kafka::{GroupProtocol, KafkaBroker, KafkaSettings};
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

impl Cluster {
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
