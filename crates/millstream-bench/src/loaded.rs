//! The inputs that are on the broker.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use millstream::broker::CleanupPolicy;

use crate::cluster::Cluster;
use crate::inputs::Input;
use crate::job::Topics;
use crate::parameters::Sizes;
use crate::workloads::Workload;

/// Topics with input, each loaded when it is first asked for.
pub(crate) struct Loaded<'a> {
    cluster: &'a Cluster,
    sizes: Sizes,
    /// What all its topics' names begin with: a Kafka that was given may have topics of an earlier command that was killed.
    name: String,
    records: BTreeMap<&'static str, u64>,
}

impl<'a> Loaded<'a> {
    pub(crate) fn new(cluster: &'a Cluster, sizes: Sizes) -> Result<Self> {
        let us = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?.as_micros();
        Ok(Loaded { cluster, sizes, name: format!("compare-{us}"), records: BTreeMap::new() })
    }

    /// Deletes its topics, and what was made of them.
    pub(crate) fn delete(self) -> Result<()> {
        self.cluster.delete_topics_of(&self.name)
    }

    pub(crate) fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.sizes
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Loads the inputs of a workload that are not there yet.
    pub(crate) fn load(&mut self, workload: &Workload) -> Result<()> {
        let partitions = self.sizes.partitions;
        if workload.restores {
            // The output that its topology names.
            let output = Topics::of(&self.name, Vec::new()).output;
            self.cluster.create(&[(&output, CleanupPolicy::Delete)], partitions)?;
        }
        for input in workload.inputs {
            if self.records.contains_key(input.name) {
                continue;
            }
            let (topic, records) = (self.topic(input), (input.records)(&self.sizes));
            self.cluster.create(&[(&topic, input.cleanup_policy)], partitions)?;
            writeln!(io::stderr(), "loading {records} records into {partitions} partitions of {topic}")?;
            (input.load)(&mut *self.cluster.producer(&topic)?, &self.sizes)?;
            let loaded = self.cluster.count(&topic, partitions)?;
            ensure!(loaded == records, "{topic} has {loaded} records after {records} were loaded");
            self.records.insert(input.name, records);
        }
        Ok(())
    }

    fn topic(&self, input: &Input) -> String {
        format!("{}-{}", self.name, input.name)
    }

    /// The topics that a workload reads, in its order.
    pub(crate) fn topics(&self, workload: &Workload) -> Result<Vec<String>> {
        self.records(workload)?;
        Ok(workload.inputs.iter().map(|input| self.topic(input)).collect())
    }

    /// How many records these have together.
    pub(crate) fn records(&self, workload: &Workload) -> Result<u64> {
        let records = workload.inputs.iter().map(|input| {
            self.records.get(input.name).with_context(|| format!("the input {} is not loaded", input.name))
        });
        records.sum()
    }
}
