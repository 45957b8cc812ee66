use std::collections::BTreeMap;

use super::{Application, Moment};
use crate::broker::{Broker, BrokerError, TopicPartition};

/// What a moment means for partitions: an offset for each, which lies at or before its end as of now.
pub(super) fn offsets(
    broker: &dyn Broker,
    partitions: &[TopicPartition],
    moment: Moment,
) -> Result<Vec<i64>, BrokerError> {
    if moment == Moment::Beginning || partitions.is_empty() {
        return Ok(vec![0; partitions.len()]);
    }
    let found = match moment {
        Moment::Timestamp(timestamp) => broker.offsets_at(partitions, timestamp)?,
        Moment::Offset(offset) => vec![Some(offset); partitions.len()],
        Moment::Beginning | Moment::End => vec![None; partitions.len()],
    };
    let ends = broker.end_offsets(partitions)?;
    Ok(found.into_iter().zip(ends).map(|(found, end)| found.map_or(end, |offset| offset.min(end))).collect())
}

impl Application {
    /// For a run that is to end: the offset at which each source partition does.
    pub(super) fn stops(&self, broker: &dyn Broker) -> Result<BTreeMap<TopicPartition, i64>, BrokerError> {
        let Some(until) = self.options.until else {
            return Ok(BTreeMap::new());
        };
        let partitions = self.source_partitions(broker)?;
        let offsets = offsets(broker, &partitions, until)?;
        Ok(partitions.into_iter().zip(offsets).collect())
    }

    fn source_partitions(&self, broker: &dyn Broker) -> Result<Vec<TopicPartition>, BrokerError> {
        let topics = self.topology.source_topics();
        let names: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
        let described = broker.describe(&names)?.into_iter().flatten();
        Ok(described
            .flat_map(|topic| (0..topic.partitions).map(move |number| TopicPartition::new(topic.name.as_str(), number)))
            .collect())
    }
}
