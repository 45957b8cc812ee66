use super::{Task, TaskError};
use crate::processor::{Context, Output, PunctuationType, guarded};
use crate::record::Timestamp;

impl Task {
    /// Whether it has operators that push when a time has come, and forget what they pushed.
    pub(crate) fn uses_alarms(&self) -> bool {
        !self.graph.alarms.is_empty()
    }

    /// Sets when each punctuator is due. `MIN` is a punctuator whose clock is not known yet: its first time only sets
    /// when it is due.
    pub(super) fn schedule(&mut self) {
        for (due, punctuator) in self.due.iter_mut().zip(&self.graph.punctuators) {
            *due = match punctuator.punctuation.kind {
                PunctuationType::StreamTime if self.graph.clock.now() != Timestamp::MIN => {
                    punctuator.punctuation.next_after(self.graph.clock.now())
                }
                _ => Timestamp::MIN,
            };
        }
    }

    /// Calls what is due by the task's time.
    pub(super) fn punctuate_stream_time(
        &mut self,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        if self.graph.punctuators.is_empty() && self.graph.alarms.is_empty() {
            return Ok(());
        }
        let time = self.graph.clock.now();
        if time == Timestamp::MIN {
            return Ok(());
        }
        self.punctuate(PunctuationType::StreamTime, time, output, wall_clock)
    }

    /// Calls what is due by the machine's clock.
    pub(crate) fn punctuate_wall_clock(&mut self, output: &mut Output, now: Timestamp) -> Result<(), TaskError> {
        if self.graph.punctuators.is_empty() && self.graph.alarms.is_empty() {
            return Ok(());
        }
        self.punctuate(PunctuationType::WallClock, now, output, now)
    }

    /// Calls all that is due by event time up to `time`, whatever the task's clock says; not what comes at intervals.
    pub(super) fn call_alarms(
        &mut self,
        time: Timestamp,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        self.punctuate_alarms(PunctuationType::StreamTime, time, output, wall_clock)
    }

    fn punctuate(
        &mut self,
        kind: PunctuationType,
        time: Timestamp,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        for (due, punctuator) in self.due.iter_mut().zip(&self.graph.punctuators) {
            if punctuator.punctuation.kind != kind || *due > time {
                continue;
            }
            let first = *due == Timestamp::MIN;
            *due = punctuator.punctuation.next_after(time);
            if !first {
                self.dirty = true;
                let (clock, at, node) = (&self.graph.clock, &*self.at, punctuator.node.0);
                at.set_no_record();
                at.go_to(node as u32);
                let mut context = Context { output, at, origin: None, clock, wall_clock };
                let called = guarded(at, || (punctuator.call)(&mut context, time));
                called.map_err(|error| TaskError::of(error.at(node), &self.graph.names, &self.inputs, None))?;
            }
        }
        self.punctuate_alarms(kind, time, output, wall_clock)
    }

    fn punctuate_alarms(
        &mut self,
        kind: PunctuationType,
        time: Timestamp,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        for alarm in self.graph.alarms.iter().filter(|alarm| alarm.clock == kind) {
            if (alarm.due)() <= time {
                self.dirty = true;
                let (clock, at, node) = (&self.graph.clock, &*self.at, alarm.node.0);
                at.set_no_record();
                at.go_to(node as u32);
                let mut context = Context { output, at, origin: None, clock, wall_clock };
                guarded(at, || (alarm.call)(&mut context, time)).map_err(|error| self.failed(error.at(node)))?;
            }
        }
        Ok(())
    }
}
