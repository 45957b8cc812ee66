use super::{Input, Task, TaskError};
use crate::broker::{BrokerError, Committed, ErrorKind, TopicPartition};
use crate::processor::{Context, Output, guarded, guarded_anywhere};
use crate::record::{Headers, Timestamp};
use crate::state::FlushError;

impl Task {
    /// Whether there is something to commit: `Some(true)` what changed state or outputs, `Some(false)` positions alone.
    pub(crate) fn uncommitted(&self) -> Option<bool> {
        if self.dirty || self.has_to_tell() {
            return Some(true);
        }
        self.inputs.iter().any(Input::has_moved).then_some(false)
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
            let (clock, at) = (&self.graph.clock, &*self.at);
            at.set_no_record();
            at.go_to(hook.node.0 as u32);
            let mut context = Context { output, at, origin: None, clock, wall_clock };
            guarded(at, || (hook.call)(&mut context)).map_err(|error| self.failed(error.at(hook.node.0)))?;
            self.push_after_end(output, wall_clock)?;
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
            let Some(changelog) = &store.changelog else {
                continue;
            };
            let mut write = |key: &[u8], value: Option<&[u8]>, timestamp, headers: &Headers| {
                output.send_row(changelog.topic, self.id.partition, key, value, timestamp, headers)
            };
            let now = self.graph.clock.now();
            let flushed = guarded_anywhere(|| changelog.versions.flush(&*store.store, now, &mut write));
            // Some record since the last commit is to blame for the row.
            let unwritable = |error: &dyn std::fmt::Display| {
                let (task, store) = (self.id, &store.name);
                let message =
                    format!("task {task}: a row of store {store} cannot be written to its changelog: {error}");
                BrokerError::new(ErrorKind::EarlierRecord, message)
            };
            match flushed {
                Ok(Ok(())) => {}
                Ok(Err(FlushError::Broker(error))) if error.kind == ErrorKind::Record => {
                    return Err(unwritable(&error).into());
                }
                Ok(Err(FlushError::Broker(error))) => return Err(error.into()),
                Ok(Err(FlushError::Serde(error))) if error.is_transient() => {
                    let BrokerError { message, .. } = unwritable(&error);
                    return Err(BrokerError::new(ErrorKind::Retry, message).into());
                }
                Ok(Err(FlushError::Serde(error))) => return Err(unwritable(&error).into()),
                Err(panic) => return Err(unwritable(&panic).into()),
            }
        }
        self.tell(output)?;
        let time = self.time_to_commit();
        let is_finished = self.is_finished();
        // The end of a run is said for each input, also one that had nothing to read.
        let moved = self.inputs.iter().filter(|input| is_finished || input.has_moved());
        let moved = moved.filter_map(|input| input.to_commit(time, is_finished));
        let before = offsets.len();
        offsets.extend(moved);
        if offsets.len() == before && (time != self.committed_time || self.uncommitted() == Some(true)) {
            // Time went on without a record, and must not go back. And whatever is written goes with a position: that is what
            // the group refuses from who is not a member any more.
            offsets.extend(self.inputs.iter().find_map(|input| input.to_commit(time, is_finished)));
        }
        Ok(())
    }

    /// A position of the task as it is now, with its time; `None` before anything was read.
    pub(crate) fn position(&self) -> Option<(TopicPartition, Committed)> {
        self.inputs.iter().find_map(|input| input.to_commit(self.time_to_commit(), self.is_finished()))
    }

    /// The commit went through: the values before are forgotten.
    pub(crate) fn note_committed(&mut self, now: Timestamp) {
        self.committed_time = self.time_to_commit();
        self.note_told(now);
        for store in &self.graph.stores {
            let stream_time = self.graph.clock.now();
            match &store.changelog {
                Some(changelog) => changelog.versions.commit(&*store.store, stream_time),
                None => store.store.commit(stream_time),
            }
        }
        for store in &self.graph.transient {
            store.commit(self.graph.clock.now());
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
        for store in &self.graph.transient {
            store.rollback();
        }
        self.dirty = false;
        self.hooks_called = 0;
        self.idle_since = None;
        self.held_until = Timestamp::MIN;
        for input in &mut self.inputs {
            input.rollback()?;
        }
        self.reset_time();
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
