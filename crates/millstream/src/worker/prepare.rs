use std::collections::BTreeMap;
use std::sync::Arc;

use super::Options;
use crate::broker::{Broker, BrokerError, ErrorKind};
use crate::topology::{Define, Plan, SubTopology, Topology, TopologyError, check_writable};

/// A topology with the options to run it: what all parts of an instance share.
#[derive(Clone)]
pub struct Application {
    /// How it runs.
    pub options: Options,
    /// What runs.
    pub topology: Topology,
    pub(crate) define: Define,
}

/// Why an application could not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The topology is not valid, or does not fit the topics.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The broker could not be asked, or would not do something.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Application {
    /// Builds the topology.
    pub fn new(options: Options, define: Define) -> Result<Arc<Application>, TopologyError> {
        let topology = Topology::build(&options.application_id, &define)?;
        Ok(Arc::new(Application { options, topology, define }))
    }

    /// Works out which internal topics there must be, and verifies those that exist.
    pub fn plan(&self, broker: &dyn Broker) -> Result<Plan, StartError> {
        let topology = &self.topology;
        let mut topics = topology.source_topics();
        topics.extend(topology.repartitions.iter().map(|repartition| repartition.topic.clone()));
        let stores = topology.sub_topologies.iter().flat_map(|sub| &sub.stores);
        topics.extend(stores.filter(|store| !store.from_source).filter_map(|store| store.changelog.clone()));
        let dead_letters = self.dead_letter_topic();
        topics.extend(dead_letters.as_ref().map(|topic| topic.as_str().into()));
        topics.push(topology.control_topic());
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let described = broker.describe(&names)?;
        let described: BTreeMap<_, _> =
            described.into_iter().flatten().map(|topic| (topic.name.clone(), topic)).collect();
        let plan = Plan::new(topology, &described, self.options.replication_factor)?;
        Ok(match dead_letters {
            Some(topic) => plan.with_dead_letters(topology, &described, topic, self.options.replication_factor)?,
            None => plan,
        })
    }

    /// Asks the serdes of all sinks, and of all stores with a changelog, whether they can write what they are to write, before the
    /// first record.
    ///
    /// # Errors
    /// [`StartError::Topology`] with all that is refused; [`StartError::Broker`] of the kind [`ErrorKind::Retry`] if what they
    /// ask does not answer now.
    pub fn check_writable(&self) -> Result<(), StartError> {
        let (refused, not_now) = check_writable(&self.options.application_id, &self.define);
        match (refused.is_empty(), not_now) {
            (false, _) => Err(TopologyError(refused).into()),
            (true, Some(error)) => Err(BrokerError::new(ErrorKind::Retry, error.to_string()).into()),
            (true, None) => Ok(()),
        }
    }

    /// The topic of dead letters, if records may go to it.
    pub fn dead_letter_topic(&self) -> Option<String> {
        let Options { errors, application_id, .. } = &self.options;
        let is_used = errors.has_dead_letters() || self.topology.handles_errors;
        is_used.then(|| errors.dead_letter_topic_of(application_id))
    }

    /// Creates the internal topics that are missing.
    pub fn create_topics(&self, broker: &dyn Broker, plan: &Plan) -> Result<(), BrokerError> {
        let missing: Vec<_> =
            plan.topics.iter().filter(|topic| !topic.exists).map(|topic| topic.topic.clone()).collect();
        if missing.is_empty() { Ok(()) } else { broker.create(&missing) }
    }

    /// The topic on which instances tell of themselves.
    pub(crate) fn control_topic(&self) -> Arc<str> {
        self.topology.control_topic()
    }

    /// How many tasks each sub-topology has.
    pub(crate) fn task_counts(&self, broker: &dyn Broker) -> Result<Vec<i32>, BrokerError> {
        let first = |sub: &SubTopology| sub.sources.first().map_or("", |topic| &**topic).to_owned();
        let topics: Vec<String> = self.topology.sub_topologies.iter().map(first).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let described = broker.describe(&names)?;
        Ok(described.into_iter().map(|topic| topic.map_or(0, |topic| topic.partitions)).collect())
    }

    /// The topics that the application reads: sources and repartition topics.
    pub(crate) fn inputs(&self) -> Vec<&str> {
        self.topology.sub_topologies.iter().flat_map(|sub| &sub.sources).map(|topic| &**topic).collect()
    }
}
