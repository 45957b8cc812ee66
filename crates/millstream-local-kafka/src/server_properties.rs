//! The settings that nodes run with.

use std::path::Path;

/// Makes groups, transactions and shares ready at once, and lets tests ask for short timeouts. The broker's own session is
/// short, as a node that was killed is let in again only when its old session is over.
/// What costs throughput or changes what is kept is as Kafka has it.
const FIXED: &str = "\
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.heartbeat.interval.ms=500
group.consumer.min.heartbeat.interval.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=1000
log.cleaner.backoff.ms=500
";

/// How often everything is kept: `replicas` times, `in_sync` of which must have what is acknowledged.
fn replication(replicas: usize, in_sync: usize) -> String {
    format!(
        "default.replication.factor={replicas}\n\
         min.insync.replicas={in_sync}\n\
         offsets.topic.replication.factor={replicas}\n\
         transaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={in_sync}\n\
         share.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={in_sync}\n"
    )
}

/// The node's `server.properties`, for two ports of 127.0.0.1 and a folder for its logs.
pub(crate) fn server_properties(broker_port: u16, controller_port: u16, logs: &Path) -> String {
    format!(
        "{FIXED}{}\
         node.id=1\n\
         listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         listeners=BROKER://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=BROKER://127.0.0.1:{broker_port}\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         log.dirs={}\n",
        replication(1, 1),
        logs.display()
    )
}

/// The ports of 127.0.0.1 of one node of a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodePorts {
    /// Where clients are let in.
    pub(crate) client: u16,
    /// Where clients are told to go.
    pub(crate) advertised: u16,
    /// Where the other brokers are let in.
    pub(crate) broker: u16,
    /// Where the other controllers are let in.
    pub(crate) controller: u16,
}

/// The `server.properties` of node `index` of a cluster: everything is on all nodes, and acknowledged by all but one.
pub(crate) fn cluster_properties(index: usize, nodes: &[NodePorts], logs: &Path) -> String {
    let NodePorts { client, advertised, broker, controller } = nodes[index];
    let voters = nodes.iter().enumerate().map(|(index, node)| format!("{}@127.0.0.1:{}", index + 1, node.controller));
    format!(
        "{FIXED}{}\
         node.id={}\n\
         listener.security.protocol.map=CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         listeners=CLIENT://127.0.0.1:{client},BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=CLIENT://127.0.0.1:{advertised},BROKER://127.0.0.1:{broker}\n\
         controller.quorum.voters={}\n\
         log.dirs={}\n",
        replication(nodes.len(), nodes.len() - 1),
        index + 1,
        voters.collect::<Vec<_>>().join(","),
        logs.display()
    )
}
