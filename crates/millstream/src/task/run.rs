use std::ops::ControlFlow;

use super::input::Buffered;
use super::upstream::END_OF_RUN;
use super::{Input, Merge, Task, TaskError};
use crate::broker::{Fetched, Message, Position};
use crate::processor::{Context, Origin, Output, guarded, guarded_anywhere};
use crate::record::Timestamp;
use crate::time::Mark;
use crate::topology::TimestampOf;

/// How many records one input hands over before the next one has its turn.
const BATCH_RECORDS: usize = 1024;

impl Task {
    /// Processes what can be read without waiting, up to a batch of each input; returns how many records.
    pub(crate) fn run(&mut self, output: &mut Output, wall_clock: Timestamp, merge: Merge) -> Result<usize, TaskError> {
        self.at.begin(self.id.sub_topology, self.id.partition);
        match self.inputs.len() {
            1 if !self.calls() => self.run_straight(output, wall_clock, merge.budget),
            _ => self.run_merged(output, wall_clock, merge),
        }
    }

    /// One input: records go straight from the reader's batch through the graph.
    fn run_straight(&mut self, output: &mut Output, wall_clock: Timestamp, budget: usize) -> Result<usize, TaskError> {
        if self.inputs[0].is_stopped() || budget == 0 {
            return Ok(0);
        }
        let (mut processed, mut handed) = (0, 0);
        let mut failure = None;
        // A batch ends with a record that is to be left out, so that a commit can follow on it.
        let records_max = BATCH_RECORDS.min(budget).min(self.inputs[0].until_left_out());
        let mut broken_at = None;
        // The reader is taken out for the batch, so that the task can be used by the closure.
        let mut reader = std::mem::replace(&mut self.inputs[0].reader, Box::new(super::input::NoReader));
        let read = reader.read(records_max, &mut |fetched| {
            handed += 1;
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
            let offset = message.offset;
            match self.process(0, message, output, wall_clock) {
                Ok(()) if output.commit_soon && handed < records_max => {
                    processed += 1;
                    broken_at = Some(offset);
                    ControlFlow::Break(())
                }
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
        if let Some(offset) = broken_at {
            self.inputs[0].reader.seek(Position::Offset(offset + 1))?;
        }
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
        for (input, source) in self.inputs.iter_mut().zip(&self.graph.sources) {
            fill(input, source.timestamp.as_ref(), merge.buffered_records)?;
        }
        let mut processed = 0;
        while processed < merge.budget
            && !output.commit_soon
            && self.has_room()
            && let Some(next) = self.choose(wall_clock, merge.max_task_idle_ms)
        {
            let Some(mut record) = self.inputs[next].buffer.pop_front() else {
                break;
            };
            self.process(next, record.message(), output, wall_clock)?;
            self.hold_time();
            processed += 1;
            if self.inputs[next].buffer.is_empty() {
                let timestamp = self.graph.sources[next].timestamp.as_ref();
                fill(&mut self.inputs[next], timestamp, merge.buffered_records)?;
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
                // A watermark is no record, and waits for nobody.
                Some(record) if record.mark.is_some() => return Some(index),
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
        mut message: Message<'_>,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        let offset = message.offset;
        if self.inputs[index].is_repartition
            && !message.headers.is_empty()
            && let Some(mark) = Mark::of(&message.headers)
        {
            return self.take_mark(index, mark, offset, output, wall_clock);
        }
        output.taken += 1;
        if !self.inputs[index].failures.is_empty() && self.inputs[index].failures.is_final(offset) {
            return self.divert((index, &message), output, wall_clock);
        }
        self.dirty = true;
        self.note_not_finished();
        let before = self.graph.clock.before();
        if self.inputs[index].moves_clock {
            self.note_source_active();
            self.graph.clock.advance_sources(message.timestamp);
        } else if !self.inputs[index].upstream.is_used() {
            // The source reads the time out of the record.
            self.note_source_active();
        }
        let partition = &self.inputs[index].partition;
        let origin = Some(Origin { topic: &partition.topic, partition: partition.partition, offset });
        let (at, source) = (&*self.at, &self.graph.sources[index]);
        at.set_record(index, offset);
        at.go_to(source.node.0 as u32);
        let mut context = Context { output, at, origin, clock: &self.graph.clock, wall_clock };
        if let Err(error) = guarded(at, || (source.feed)(&mut context, &mut message)) {
            let error = error.at(source.node.0);
            return self.take_failure((index, &message), error, before, output, wall_clock);
        }
        self.inputs[index].note_processed(offset);
        self.punctuate_stream_time(output, wall_clock)
    }

    /// An upstream task says what time it has come to.
    fn take_mark(
        &mut self,
        index: usize,
        mark: Mark,
        offset: i64,
        output: &mut Output,
        wall_clock: Timestamp,
    ) -> Result<(), TaskError> {
        if mark.time != END_OF_RUN {
            self.note_not_finished();
        }
        self.inputs[index].upstream.note(mark);
        self.note_upstream();
        self.inputs[index].note_processed(offset);
        self.punctuate_stream_time(output, wall_clock)
    }
}

fn fill(input: &mut Input, timestamp: Option<&TimestampOf>, records_max: usize) -> Result<(), TaskError> {
    let room = records_max.saturating_sub(input.buffer.len());
    if room == 0 || input.is_stopped() {
        return Ok(());
    }
    let mut reader = std::mem::replace(&mut input.reader, Box::new(super::input::NoReader));
    let read = reader.read(room.min(BATCH_RECORDS), &mut |fetched| {
        match fetched {
            Fetched::Record(message) => {
                if input.note_fetched(message.offset) {
                    let mark = if input.is_repartition { Mark::of(&message.headers) } else { None };
                    let timestamp = timestamp.filter(|_| mark.is_none()).and_then(|timestamp| {
                        // The feed will say better what is wrong with it, when its turn has come.
                        guarded_anywhere(|| timestamp(&message)).ok().flatten()
                    });
                    let timestamp = timestamp.unwrap_or(message.timestamp);
                    input.buffer.push_back(Buffered::copy(message, timestamp, mark));
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
