use super::{Task, TaskError, committed_stream_time};
use crate::broker::{BrokerError, Committed, ErrorKind, TopicPartition};
use crate::processor::Output;
use crate::state::FlushError;

impl Task {
    /// Whether there is something to commit: `Some(true)` what changed state or outputs, `Some(false)` positions alone.
    pub(crate) fn uncommitted(&self) -> Option<bool> {
        if self.dirty {
            return Some(true);
        }
        self.inputs.iter().any(|input| input.to_commit().is_some()).then_some(false)
    }

    /// Writes the rows that changed to the changelogs, each once, and adds the positions to commit to `offsets`.
    pub(crate) fn prepare_commit(
        &self,
        output: &mut Output,
        offsets: &mut Vec<(TopicPartition, Committed)>,
    ) -> Result<(), TaskError> {
        for store in &self.graph.stores {
            let mut write = |key: &[u8], value: Option<&[u8]>, timestamp| {
                output.send_row(store.changelog, self.id.partition, key, value, timestamp)
            };
            store.store.flush(self.stream_time, &mut write).map_err(|error| match error {
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
            store.store.commit(self.stream_time);
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
        self.stream_time = committed_stream_time(&self.inputs);
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
