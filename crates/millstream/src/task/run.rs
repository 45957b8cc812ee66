use std::ops::ControlFlow;

use super::input::Buffered;
use super::{Input, Merge, Task, TaskError};
use crate::broker::{Fetched, Message};
use crate::processor::{Context, Origin, Output};
use crate::record::Timestamp;

/// How many records one input hands over before the next one has its turn.
const BATCH_RECORDS: usize = 1024;

impl Task {
    /// Processes what can be read without waiting, up to a batch of each input; returns how many records.
    pub(crate) fn run(&mut self, output: &mut Output, wall_clock: Timestamp, merge: Merge) -> Result<usize, TaskError> {
        match self.inputs.len() {
            1 if !self.calls() => self.run_straight(output, wall_clock),
            _ => self.run_merged(output, wall_clock, merge),
        }
    }

    /// One input: records go straight from the reader's batch through the graph.
    fn run_straight(&mut self, output: &mut Output, wall_clock: Timestamp) -> Result<usize, TaskError> {
        let mut processed = 0;
        let mut failure = None;
        // The reader is taken out for the batch, so that the task can be used by the closure.
        let mut reader = std::mem::replace(&mut self.inputs[0].reader, Box::new(super::input::NoReader));
        let read = reader.read(BATCH_RECORDS, &mut |fetched| {
            let message = match fetched {
                Fetched::Record(message) => message,
                Fetched::End(offset) => {
                    self.inputs[0].note_end(offset);
                    return ControlFlow::Continue(());
                }
            };
            if !self.inputs[0].note_fetched(message.offset) {
                return ControlFlow::Continue(());
            }
            match self.process(0, message, output, wall_clock) {
                Ok(()) => {
                    processed += 1;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failure = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        self.inputs[0].reader = reader;
        match (failure, read) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Ok(processed),
        }
    }

    /// Several inputs: each is read ahead, and the record with the smallest timestamp goes first; of equal ones that of
    /// the input declared first. While an input may still have records that are not here yet, nothing is processed; nor while
    /// the calls of asynchronous nodes have no room.
    fn run_merged(&mut self, output: &mut Output, wall_clock: Timestamp, merge: Merge) -> Result<usize, TaskError> {
        for input in &mut self.inputs {
            fill(input, merge.buffered_records)?;
        }
        let mut processed = 0;
        while self.has_room()
            && let Some(next) = self.choose(wall_clock, merge.max_task_idle_ms)
        {
            let Some(mut record) = self.inputs[next].buffer.pop_front() else {
                break;
            };
            self.process(next, record.message(), output, wall_clock)?;
            self.hold_time();
            processed += 1;
            if self.inputs[next].buffer.is_empty() {
                fill(&mut self.inputs[next], merge.buffered_records)?;
                if processed >= BATCH_RECORDS {
                    break;
                }
            }
        }
        Ok(processed)
    }

    /// The input whose record is next; `None` when there is none, or one must be waited for.
    fn choose(&mut self, wall_clock: Timestamp, max_idle_ms: i64) -> Option<usize> {
        let mut next: Option<(Timestamp, usize)> = None;
        let mut idle = false;
        for (index, input) in self.inputs.iter().enumerate() {
            match input.buffer.front() {
                Some(record) => {
                    let candidate = (record.timestamp, index);
                    next = Some(next.map_or(candidate, |best| best.min(candidate)));
                }
                None if input.fetched_end.is_some() => idle = true,
                None => return None,
            }
        }
        let (_, index) = next?;
        if idle && max_idle_ms > 0 {
            let since = *self.idle_since.get_or_insert(wall_clock);
            if wall_clock.saturating_sub(since) < max_idle_ms {
                return None;
            }
        } else {
            self.idle_since = None;
        }
        Some(index)
    }

    fn process(
        &mut self,
        index: usize,
        message: Message<'_>,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        let (offset, timestamp) = (message.offset, message.timestamp);
        self.dirty = true;
        self.graph.clock.advance_sources(timestamp);
        let partition = &self.inputs[index].partition;
        let origin = Some(Origin { topic: &partition.topic, partition: partition.partition, offset });
        let mut context = Context { output, origin, clock: &self.graph.clock, wall_clock };
        (self.graph.sources[index].feed)(&mut context, message)
            .map_err(|error| TaskError::from_process(error, partition, Some(offset)))?;
        self.inputs[index].note_processed(offset, timestamp);
        self.punctuate_stream_time(output, wall_clock)
    }
}

fn fill(input: &mut Input, records_max: usize) -> Result<(), TaskError> {
    let room = records_max.saturating_sub(input.buffer.len());
    if room == 0 {
        return Ok(());
    }
    let mut reader = std::mem::replace(&mut input.reader, Box::new(super::input::NoReader));
    let read = reader.read(room.min(BATCH_RECORDS), &mut |fetched| {
        match fetched {
            Fetched::Record(message) => {
                if input.note_fetched(message.offset) {
                    input.buffer.push_back(Buffered::copy(message));
                }
            }
            Fetched::End(offset) => input.note_end(offset),
        }
        ControlFlow::Continue(())
    });
    input.reader = reader;
    read?;
    Ok(())
}
