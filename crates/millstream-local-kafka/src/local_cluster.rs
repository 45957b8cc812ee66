//! Three Kafka nodes as child processes.

use crate::errors::LocalKafkaError;
use crate::install::install;
use crate::java::find_java;
use crate::local_kafka::LocalKafka;
use crate::ports::free_port;
use crate::server_properties::{NodePorts, cluster_properties};

/// How many nodes a cluster has.
pub const BROKERS: usize = 3;

/// The most that one node's heap takes.
const HEAP: &str = "-Xmx512m";

/// A running Apache Kafka of three nodes on 127.0.0.1, each broker and controller in one. Every topic has three replicas, two
/// of which must have what is acknowledged: with any one node away the cluster serves.
///
/// Nodes have two listeners: one for clients, whose advertised ports may be those of a proxy, and one between brokers, which
/// always goes directly.
#[derive(Debug)]
pub struct LocalCluster {
    brokers: Vec<LocalKafka>,
    ports: Vec<NodePorts>,
}

impl LocalCluster {
    /// Starts three nodes on free ports and waits until all are ready. Clients are told to go to the `advertised` ports of
    /// 127.0.0.1; without any, to the nodes themselves.
    ///
    /// # Errors
    ///
    /// As [`LocalKafka::start`].
    pub fn start(advertised: Option<[u16; BROKERS]>) -> Result<LocalCluster, LocalKafkaError> {
        let (java, jars) = (find_java()?, install()?);
        let ports = (0..BROKERS).map(|index| {
            let client = free_port()?;
            let advertised = advertised.map_or(client, |ports| ports[index]);
            Ok(NodePorts { client, advertised, broker: free_port()?, controller: free_port()? })
        });
        let ports: Vec<NodePorts> = ports.collect::<Result<_, LocalKafkaError>>()?;
        let brokers = ports.iter().enumerate().map(|(index, node)| {
            LocalKafka::format(java.clone(), jars.clone(), node.client, HEAP, None, |logs| {
                cluster_properties(index, &ports, logs)
            })
        });
        let brokers: Vec<LocalKafka> = brokers.collect::<Result<_, _>>()?;
        let mut cluster = LocalCluster { brokers, ports };
        // None gets ready before most of them run.
        for broker in &mut cluster.brokers {
            broker.spawn()?;
        }
        for broker in &mut cluster.brokers {
            broker.wait_until_ready()?;
        }
        Ok(cluster)
    }

    /// Where clients find the brokers: the advertised ports.
    pub fn bootstrap_servers(&self) -> String {
        list(self.ports.iter().map(|node| node.advertised))
    }

    /// Where a client finds the brokers that nothing shall stand before: the listener between brokers.
    pub fn direct_servers(&self) -> String {
        list(self.ports.iter().map(|node| node.broker))
    }

    /// The ports that the nodes let clients in at, in the order of the nodes: where a proxy leads to.
    pub fn client_ports(&self) -> Vec<u16> {
        self.ports.iter().map(|node| node.client).collect()
    }

    /// One of the nodes, from 0: to be killed, stopped, started again.
    ///
    /// # Panics
    ///
    /// There are no more than [`BROKERS`].
    pub fn broker(&mut self, index: usize) -> &mut LocalKafka {
        &mut self.brokers[index]
    }
}

fn list(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}
