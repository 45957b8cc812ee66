use super::{Task, TaskError};
use crate::processor::{Context, Output, PunctuationType};
use crate::record::Timestamp;

impl Task {
    /// Sets when each punctuator is due. `MIN` is a punctuator whose clock is not known yet: its first time only sets
    /// when it is due.
    pub(super) fn schedule(&mut self) {
        for (due, punctuator) in self.due.iter_mut().zip(&self.graph.punctuators) {
            *due = match punctuator.punctuation.kind {
                PunctuationType::StreamTime if self.stream_time != Timestamp::MIN => {
                    punctuator.punctuation.next_after(self.stream_time)
                }
                _ => Timestamp::MIN,
            };
        }
    }

    pub(super) fn punctuate_stream_time(
        &mut self,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        if self.graph.punctuators.is_empty() {
            return Ok(());
        }
        self.punctuate(PunctuationType::StreamTime, self.stream_time, output, wall_clock)
    }

    /// Calls the punctuators by the machine's clock that are due.
    pub(crate) fn punctuate_wall_clock(&mut self, output: &mut Output, now: Timestamp) -> Result<(), TaskError> {
        if self.graph.punctuators.is_empty() {
            return Ok(());
        }
        self.punctuate(PunctuationType::WallClock, now, output, now)
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
            if first {
                continue;
            }
            self.dirty = true;
            let mut context = Context { output, origin: None, stream_time: self.stream_time, wall_clock };
            (punctuator.call)(&mut context, time)
                .map_err(|error| TaskError::from_process(error, &self.inputs[0].partition, None))?;
        }
        Ok(())
    }
}
