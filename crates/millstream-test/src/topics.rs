use std::collections::BTreeMap;

use millstream::broker::{Broker, BrokerError, CleanupPolicy, NewTopic};
use millstream::topology::Topology;
use millstream::worker::Application;

use crate::ok;

/// Creates the topics that a topology needs; returns how many tasks it has.
pub(crate) fn create_topics(application: &Application, broker: &dyn Broker, partitions: i32) -> usize {
    ok(create_own_topics(application, broker, &own_topics(&application.topology), partitions));
    let plan = ok(application.plan(broker));
    ok(application.create_topics(broker, &plan));
    plan.tasks.iter().map(|count| *count as usize).sum()
}

/// Creates these topics of users, compacted where a table is restored from one.
pub(crate) fn create_own_topics(
    application: &Application,
    broker: &dyn Broker,
    names: &[String],
    partitions: i32,
) -> Result<(), BrokerError> {
    let stores = application.topology.sub_topologies.iter().flat_map(|sub| &sub.stores);
    let sources = stores.filter(|store| store.from_source);
    let changelogs: Vec<_> = sources.filter_map(|store| store.changelog.as_deref()).collect();
    let topic = |name: &String| {
        let mut topic = own_topic(name, partitions);
        if changelogs.contains(&name.as_str()) {
            topic.cleanup_policy = CleanupPolicy::Compact;
        }
        topic
    };
    broker.create(&names.iter().map(topic).collect::<Vec<_>>())
}

/// The topics that users make: sources, and sinks whose names are fixed.
pub(crate) fn own_topics(topology: &Topology) -> Vec<String> {
    let internal = |topic: &str| topology.repartitions.iter().any(|repartition| *repartition.topic == *topic);
    let sinks = topology.sub_topologies.iter().flat_map(|sub| &sub.sinks).map(ToString::to_string);
    let topics = topology.source_topics().iter().map(ToString::to_string).chain(sinks).collect::<Vec<_>>();
    topics.into_iter().filter(|topic| !internal(topic)).collect()
}

pub(crate) fn own_topic(name: &str, partitions: i32) -> NewTopic {
    let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let (replication_factor, cleanup_policy) = (None, CleanupPolicy::Delete);
    NewTopic { name: name.to_owned(), partitions, replication_factor, cleanup_policy, config }
}
