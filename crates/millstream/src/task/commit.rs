use super::{Task, TaskError, committed_stream_time};
use crate::broker::{BrokerError, Committed, ErrorKind, TopicPartition};
use crate::processor::{Context, Output};
use crate::record::Timestamp;
use crate::state::FlushError;

impl Task {
    /// Whether there is something to commit: `Some(true)` what changed state or outputs, `Some(false)` positions alone.
    pub(crate) fn uncommitted(&self) -> Option<bool> {
        if self.dirty {
            return Some(true);
        }
        self.inputs.iter().any(|input| input.to_commit().is_some()).then_some(false)
    }

    /// Has operators push what they held back until now, each once in a commit, upstream ones first. What one pushes may have
    /// to be called for; the next one is asked after that, as it may hold back what comes of it. While calls are under way
    /// there is more to ask.
    pub(crate) fn before_commit(&mut self, output: &mut Output, wall_clock: Timestamp) -> Result<(), TaskError> {
        while self.dirty
            && !self.has_pending_calls()
            && let Some(hook) = self.graph.commit_hooks.get(self.hooks_called)
        {
            self.hooks_called += 1;
            let mut context = Context { output, origin: None, clock: &self.graph.clock, wall_clock };
            (hook.call)(&mut context)
                .map_err(|error| TaskError::from_process(error, &self.inputs[0].partition, None))?;
        }
        Ok(())
    }

    /// Writes the rows that changed to the changelogs, each once, and adds the positions to commit to `offsets`.
    pub(crate) fn prepare_commit(
        &mut self,
        output: &mut Output,
        wall_clock: Timestamp,
        offsets: &mut Vec<(TopicPartition, Committed)>,
    ) -> Result<(), TaskError> {
        self.before_commit(output, wall_clock)?;
        for store in &self.graph.stores {
            let mut write = |key: &[u8], value: Option<&[u8]>, timestamp| {
                output.send_row(store.changelog, self.id.partition, key, value, timestamp)
            };
            store.store.flush(self.graph.clock.now(), &mut write).map_err(|error| match error {
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
            store.store.commit(self.graph.clock.now());
        }
        for input in &mut self.inputs {
            input.note_committed();
        }
        self.dirty = false;
        self.hooks_called = 0;
    }

    /// Goes back to the last commit: stores, stream time, punctuations, and the readers' positions.
    pub(crate) fn rollback(&mut self) -> Result<(), BrokerError> {
        for store in &self.graph.stores {
            store.store.rollback();
        }
        self.forget_calls();
        self.dirty = false;
        self.hooks_called = 0;
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
