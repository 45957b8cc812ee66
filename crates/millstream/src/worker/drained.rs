use super::{Instance, Phase};
use crate::broker::{Broker, BrokerError, Committed, ErrorKind, TopicPartition};
use crate::task::is_finished;

impl Instance {
    /// Whether all that was in the inputs when this was called is processed and committed, by whatever instance. In a run
    /// that is to end: whether every source partition came to its end, and everything that waited for time was pushed.
    ///
    /// Positions are asked for before ends: so what a task had written to a repartition topic before its own input was
    /// all committed is among the ends, and one look covers topologies of any depth. Global tables need no look: no task that
    /// uses one has processed anything before the table was read to its end.
    pub fn is_drained(&mut self, broker: &dyn Broker) -> Result<bool, BrokerError> {
        let application = self.application.clone();
        let subs = &application.topology.sub_topologies;
        let topics: Vec<&str> = subs.iter().flat_map(|sub| &sub.sources).map(|topic| &**topic).collect();
        let described = broker.describe(&topics)?;
        let partitions: Vec<TopicPartition> = (described.into_iter().flatten())
            .flat_map(|topic| (0..topic.partitions).map(move |p| TopicPartition::new(topic.name.as_str(), p)))
            .collect();
        if self.phase != Phase::Running || self.closing.is_some() || self.assigned.is_some() {
            return Ok(false);
        }
        let committed = match self.member()?.committed(&partitions) {
            Err(error) if error.kind == ErrorKind::Retry => return Ok(false),
            committed => committed?,
        };
        let ends = broker.end_offsets(&partitions)?;
        let is_bounded = application.options.until.is_some();
        let must_finish = |partition: &TopicPartition| {
            is_bounded && subs.iter().any(|sub| sub.time.is_used && sub.sources.contains(&partition.topic))
        };
        let is_done = |partition: &TopicPartition, committed: &Option<Committed>, end: i64| {
            let end = self.stops.get(partition).map_or(end, |stop| end.min(*stop));
            let position = committed.as_ref().map_or(0, |committed| committed.offset);
            position >= end && (!must_finish(partition) || committed.as_ref().is_some_and(|c| is_finished(&c.metadata)))
        };
        let mut each = partitions.iter().zip(&committed).zip(ends);
        Ok(each.all(|((partition, committed), end)| is_done(partition, committed, end)))
    }
}
