//! A real Apache Kafka, and a schema registry, as child processes, for tests and measurements.
//!
//! [`LocalKafka::start`] fetches Kafka's jars once (with Maven, into the workspace's target folder), then runs one
//! KRaft node, broker and controller in one process, on free ports of 127.0.0.1 with a data folder of its own.
//! The node ends with this process, whichever way this process ends, `SIGKILL` included.
//!
//! [`LocalCluster`] is three of them, each to be killed, stopped and started again by itself.
//!
//! [`LocalRegistry`] is an Apicurio Registry, fetched and ended in the same ways.
//!
//! [`test_brokers`] tells a test which brokers to run against, and [`test_registry`] which schema registry; `MILLSTREAM_TEST_BROKER` decides.

mod child;
mod compile;
mod errors;
mod install;
mod java;
mod local_cluster;
mod local_kafka;
mod local_registry;
mod ports;
mod secured;
mod server_properties;
mod test_broker;
#[cfg(test)]
mod tests;

pub use compile::compile_java;
pub use errors::LocalKafkaError;
pub use install::{are_jars_available, install, install_jars, is_available, is_registry_available, target_folder};
pub use java::find_java;
pub use local_cluster::{BROKERS, LocalCluster};
pub use local_kafka::LocalKafka;
pub use local_registry::LocalRegistry;
pub use secured::Secured;
pub use test_broker::{TestBroker, is_kafka_promised, test_broker, test_brokers, test_registry};
