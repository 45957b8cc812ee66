use super::{Task, TaskError, committed_stream_time};
use crate::broker::{BrokerError, Committed, ErrorKind, TopicPartition};
use crate::processor::{Context, Output};
use crate::record::{Headers, Timestamp};
use crate::state::FlushError;

impl Task {
    /// Whether there is something to commit: `Some(true)` what changed state or outputs, `Some(false)` positions alone.
    pub(crate) fn uncommitted(&self) -> Option<bool> {
        if self.dirty {
            return Some(true);
        }
        self.inputs.iter().any(|input| input.to_commit().is_some()).then_some(false)
    }

    /// Has operators push what they held back until now, writes the rows that changed to the changelogs, each once, and adds
    /// the positions to commit to `offsets`.
    pub(crate) fn prepare_commit(
        &self,
        output: &mut Output,
        wall_clock: Timestamp,
        offsets: &mut Vec<(TopicPartition, Committed)>,
    ) -> Result<(), TaskError> {
        if self.dirty {
            for hook in &self.graph.commit_hooks {
                let mut context = Context { output, origin: None, clock: &self.graph.clock, wall_clock };
                (hook.call)(&mut context)
                    .map_err(|error| TaskError::from_process(error, &self.inputs[0].partition, None))?;
            }
        }
        for store in &self.graph.stores {
            let Some(changelog) = &store.changelog else {
                continue;
            };
            let mut write = |key: &[u8], value: Option<&[u8]>, timestamp, headers: &Headers| {
                output.send_row(changelog.topic, self.id.partition, key, value, timestamp, headers)
            };
            let flushed = changelog.versions.flush(&*store.store, self.graph.clock.now(), &mut write);
            flushed.map_err(|error| match error {
                FlushError::Broker(error) => error,
                FlushError::Serde(error) => BrokerError::new(
                    ErrorKind::Fatal,
                    format!(
                        "task {}: a row of store {} cannot be written to its changelog: {error}",
                        self.id, store.name
                    ),
                ),
            })?;
        }
        offsets.extend(self.inputs.iter().filter_map(super::Input::to_commit));
        Ok(())
    }

    /// The commit went through: the values before are forgotten.
    pub(crate) fn note_committed(&mut self) {
        for store in &self.graph.stores {
            let stream_time = self.graph.clock.now();
            match &store.changelog {
                Some(changelog) => changelog.versions.commit(&*store.store, stream_time),
                None => store.store.commit(stream_time),
            }
        }
        for input in &mut self.inputs {
            input.note_committed();
        }
        self.dirty = false;
    }

    /// Goes back to the last commit: stores, stream time, punctuations, and the readers' positions.
    pub(crate) fn rollback(&mut self) -> Result<(), BrokerError> {
        for store in &self.graph.stores {
            store.store.rollback();
        }
        self.dirty = false;
        self.idle_since = None;
        for input in &mut self.inputs {
            input.rollback()?;
        }
        self.graph.clock.reset(committed_stream_time(&self.inputs));
        self.schedule();
        Ok(())
    }

    /// The positions in repartition topics up to which this application has committed.
    pub(crate) fn consumed<'a>(
        &'a self,
        repartition: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (TopicPartition, i64)> + 'a {
        let inputs = self.inputs.iter().filter(move |input| repartition(&input.partition.topic));
        inputs.filter_map(|input| Some((input.partition.clone(), input.committed?)))
    }
}
