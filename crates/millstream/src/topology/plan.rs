use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{StoreDescription, SubTopology, Topology, TopologyError};
use crate::broker::{CleanupPolicy, NewTopic, TopicDescription};

/// What a topology needs on a cluster: how many tasks run, and which internal topics there must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// For each sub-topology, how many tasks it has: the partition count of its sources.
    pub tasks: Vec<i32>,
    /// The repartition topics, the changelogs, and the topic on which instances tell of themselves.
    pub topics: Vec<InternalTopic>,
    /// The stores that are in memory alone: a restart empties them.
    pub without_changelog: Vec<Arc<str>>,
}

/// A topic that belongs to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    /// The topic as it is to be.
    pub topic: NewTopic,
    /// Whether it is there already, as it is to be.
    pub exists: bool,
}

impl Plan {
    /// Works out the plan from the topics as they are. `described` has an entry for each topic that exists.
    ///
    /// # Errors
    /// Source topics that do not exist or that cannot be the changelogs that they are to be, inputs of one sub-topology
    /// with unequal partition counts, and internal topics that are not as they must be: all of them.
    pub fn new(
        topology: &Topology,
        described: &BTreeMap<String, TopicDescription>,
        replication_factor: Option<i32>,
    ) -> Result<Plan, TopologyError> {
        let mut errors = Vec::new();
        for topic in topology.source_topics() {
            if !described.contains_key(&*topic) {
                errors.push(format!("source topic {topic} does not exist; create it, or correct its name"));
            }
        }
        let stores = topology.sub_topologies.iter().flat_map(|sub| &sub.stores).filter(|store| store.from_source);
        errors.extend(stores.filter_map(|store| verify_source(store, described.get(&**store.changelog.as_ref()?)?)));
        if !errors.is_empty() {
            return Err(TopologyError(errors));
        }
        let counts = partition_counts(topology, described);
        let mut tasks = Vec::new();
        for (number, sub) in topology.sub_topologies.iter().enumerate() {
            match co_partitioned(sub, &counts) {
                Ok(count) => tasks.push(count),
                Err(error) => errors.push(format!("sub-topology {number}: {error}")),
            }
        }
        if !errors.is_empty() {
            return Err(TopologyError(errors));
        }
        let mut topics = Vec::new();
        for repartition in &topology.repartitions {
            // Records stay until the engine deletes them, once they are consumed.
            let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
            let name = repartition.topic.to_string();
            let partitions = counts.get(&repartition.topic).copied().unwrap_or(1);
            let cleanup_policy = CleanupPolicy::Delete;
            topics.push(NewTopic { name, partitions, replication_factor, cleanup_policy, config });
        }
        for (sub, partitions) in topology.sub_topologies.iter().zip(&tasks) {
            let own = sub.stores.iter().filter(|store| !store.from_source);
            for changelog in own.filter_map(|store| store.changelog.as_ref()) {
                topics.push(NewTopic {
                    name: changelog.to_string(),
                    partitions: *partitions,
                    replication_factor,
                    cleanup_policy: CleanupPolicy::Compact,
                    config: BTreeMap::new(),
                });
            }
        }
        topics.push(control_topic(topology, replication_factor));
        let topics = topics.into_iter().filter_map(|topic| match verify(&topic, described.get(&topic.name)) {
            Ok(exists) => Some(InternalTopic { topic, exists }),
            Err(error) => {
                errors.push(error);
                None
            }
        });
        let topics = topics.collect();
        let stores = topology.sub_topologies.iter().flat_map(|sub| &sub.stores);
        let without_changelog =
            stores.filter(|store| store.changelog.is_none()).map(|store| store.name.clone()).collect();
        if errors.is_empty() { Ok(Plan { tasks, topics, without_changelog }) } else { Err(TopologyError(errors)) }
    }
}

impl Plan {
    /// Adds the topic of dead letters, with as many partitions as the largest source. One that exists may have any count.
    ///
    /// # Errors
    /// A topic that is compacted.
    pub fn with_dead_letters(
        mut self,
        topology: &Topology,
        described: &BTreeMap<String, TopicDescription>,
        name: String,
        replication_factor: Option<i32>,
    ) -> Result<Plan, TopologyError> {
        let sources = topology.source_topics();
        let partitions = sources.iter().filter_map(|topic| described.get(&**topic)).map(|topic| topic.partitions).max();
        let (cleanup_policy, config) = (CleanupPolicy::Delete, BTreeMap::new());
        let found = described.get(&name);
        let partitions = found.map(|found| found.partitions).or(partitions).unwrap_or(1);
        let topic = NewTopic { name, partitions, replication_factor, cleanup_policy, config };
        let exists = verify(&topic, found).map_err(|error| TopologyError(vec![error]))?;
        self.topics.push(InternalTopic { topic, exists });
        Ok(self)
    }
}

/// The topic on which instances tell of themselves: all the time, so that old segments must not wait for a week to be compacted.
fn control_topic(topology: &Topology, replication_factor: Option<i32>) -> NewTopic {
    NewTopic {
        name: topology.control_topic().to_string(),
        partitions: 1,
        replication_factor,
        cleanup_policy: CleanupPolicy::Compact,
        config: BTreeMap::from([("segment.ms".to_owned(), "600000".to_owned())]),
    }
}

/// The partition counts of all sources: what exists, what was asked for, and for the other repartition topics what
/// the sub-topology that reads them has from other sources, or else the largest count upstream.
fn partition_counts(topology: &Topology, described: &BTreeMap<String, TopicDescription>) -> BTreeMap<Arc<str>, i32> {
    let mut counts: BTreeMap<Arc<str>, i32> =
        topology.source_topics().into_iter().map(|topic| (topic.clone(), described[&*topic].partitions)).collect();
    for repartition in &topology.repartitions {
        if let Some(partitions) = repartition.partitions {
            counts.insert(repartition.topic.clone(), partitions);
        }
    }
    // Each round settles at least one topic, or nothing is left that can be settled.
    loop {
        let known = counts.len();
        for sub in &topology.sub_topologies {
            if let Some(count) = sub.sources.iter().find_map(|topic| counts.get(topic).copied()) {
                for topic in &sub.sources {
                    counts.entry(topic.clone()).or_insert(count);
                }
            }
        }
        for repartition in &topology.repartitions {
            let upstream = topology.sub_topologies.iter().filter(|sub| sub.sinks.contains(&repartition.topic));
            let upstream: Option<Vec<i32>> =
                upstream.map(|sub| sub.sources.iter().find_map(|topic| counts.get(topic).copied())).collect();
            if let Some(most) = upstream.and_then(|counts| counts.into_iter().max()) {
                counts.entry(repartition.topic.clone()).or_insert(most);
            }
        }
        if counts.len() == known {
            return counts;
        }
    }
}

fn co_partitioned(sub: &SubTopology, counts: &BTreeMap<Arc<str>, i32>) -> Result<i32, String> {
    let mut sources = sub.sources.iter().map(|topic| (topic, counts.get(topic).copied().unwrap_or(0)));
    let Some((first, count)) = sources.next() else {
        return Ok(0);
    };
    for (topic, other) in sources {
        if other != count {
            return Err(format!(
                "its inputs are not co-partitioned: {first} has {count} partitions and {topic} has {other}; \
                 give both the same count, or repartition one"
            ));
        }
    }
    if count == 0 { Err(format!("the partition count of {first} does not follow from its inputs")) } else { Ok(count) }
}

/// What is wrong with a source topic that is to be a store's changelog.
fn verify_source(store: &StoreDescription, topic: &TopicDescription) -> Option<String> {
    (topic.cleanup_policy != CleanupPolicy::Compact).then(|| {
        format!(
            "source topic {} is the changelog of store {} and has cleanup.policy={}, so that it forgets rows that the table \
             has; alter it to compact with kafka-configs, or read it with table(), which makes a changelog",
            topic.name,
            store.name,
            topic.cleanup_policy.as_str()
        )
    })
}

/// Whether the topic exists; an error when it exists and is another than it must be.
fn verify(topic: &NewTopic, found: Option<&TopicDescription>) -> Result<bool, String> {
    let Some(found) = found else { return Ok(false) };
    if found.partitions != topic.partitions {
        return Err(format!(
            "internal topic {} has {} partitions and must have {}, as its inputs do; delete it with the state it holds \
             (kafka-topics --delete), or give the inputs their former count",
            topic.name, found.partitions, topic.partitions
        ));
    }
    let (is, must) = (found.cleanup_policy, topic.cleanup_policy);
    if is != must {
        return Err(format!(
            "internal topic {} has cleanup.policy={} and must have {}, or it loses what it is there to keep; \
             alter it with kafka-configs",
            topic.name,
            is.as_str(),
            must.as_str()
        ));
    }
    Ok(true)
}

/// The plan as text: a line for each internal topic.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, count) in self.tasks.iter().enumerate() {
            writeln!(f, "sub-topology {number}: {count} tasks")?;
        }
        for InternalTopic { topic, exists } in &self.topics {
            let state = if *exists { "exists" } else { "to be created" };
            write!(f, "{}: {} partitions, {}", topic.name, topic.partitions, topic.cleanup_policy.as_str())?;
            if let Some(replicas) = topic.replication_factor {
                write!(f, ", {replicas} replicas")?;
            }
            for (key, value) in &topic.config {
                write!(f, ", {key}={value}")?;
            }
            writeln!(f, " ({state})")?;
        }
        for store in &self.without_changelog {
            writeln!(f, "store {store}: in memory alone, without changelog; a restart empties it")?;
        }
        Ok(())
    }
}
