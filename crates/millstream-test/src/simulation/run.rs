use std::any::Any;
use std::sync::Arc;

use millstream::broker::Broker;
use millstream::record::Record;
use millstream::topic::Topic;
use millstream::topology::Topology;

use super::FaultCounts;
use super::records::{raw_records, typed};
use crate::ok;

/// A run that has come to its end: all input is processed, and everything is committed.
pub struct Run {
    pub(super) seed: u64,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) topology: Topology,
    pub(super) faults: FaultCounts,
}

impl Run {
    /// The seed that everything followed from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How often each class of fault occurred.
    pub fn faults(&self) -> &FaultCounts {
        &self.faults
    }

    /// The cluster, as its clients see it.
    pub fn broker(&self) -> &dyn Broker {
        &*self.broker
    }

    /// What is committed on a topic, of input or of output: partition after partition, each in its order, without headers.
    ///
    /// # Panics
    /// If there is a record that the topic's serdes do not read.
    pub fn records<K: 'static, V: 'static>(&self, topic: &Topic<K, V>) -> Vec<Record<K, Option<V>>> {
        let partitions = ok(raw_records(&*self.broker, topic.name()));
        partitions.iter().flatten().map(|raw| ok(typed(topic, raw))).collect()
    }

    /// The name of a store's changelog, to read what state there is in the end.
    ///
    /// # Panics
    /// If there is no such store, or it has none.
    pub fn changelog(&self, store: &str) -> String {
        let stores = self.topology.sub_topologies.iter().flat_map(|sub| &sub.stores);
        let changelog = stores.filter(|other| *other.name == *store).find_map(|store| store.changelog.clone());
        changelog.map_or_else(|| panic!("there is no store {store} with a changelog"), |topic| topic.to_string())
    }
}

/// The message of a panic.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
