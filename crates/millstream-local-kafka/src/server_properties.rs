//! The settings that the node runs with.

use std::path::Path;

/// Makes groups, transactions and shares ready at once, on one broker, and lets tests ask for short timeouts.
/// The broker's own session is short, as a node that was killed is let in again only when its old session is over.
/// What costs throughput or changes what is kept is as Kafka has it.
const FIXED: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.heartbeat.interval.ms=500
group.consumer.min.heartbeat.interval.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=1000
log.cleaner.backoff.ms=500
";

/// The node's `server.properties`, for two ports of 127.0.0.1 and a folder for its logs.
pub(crate) fn server_properties(broker_port: u16, controller_port: u16, logs: &Path) -> String {
    format!(
        "{FIXED}\
         listeners=BROKER://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=BROKER://127.0.0.1:{broker_port}\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         log.dirs={}\n",
        logs.display()
    )
}
