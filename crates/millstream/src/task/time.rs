use super::upstream::{END_OF_RUN, Reached};
use super::{Task, TaskError};
use crate::broker::BrokerError;
use crate::processor::Output;
use crate::record::{Headers, Timestamp};
use crate::time::Mark;
use crate::topology::TimeDescription;

/// How a task's time goes on, and what it tells those behind its repartition topics.
pub(super) struct TaskTime {
    description: TimeDescription,
    /// Whether some input is no repartition topic whose upstream tasks are listened to.
    has_sources: bool,
    has_upstream: bool,
    /// When, by the machine's clock, a source last had a record; `None` before the first look.
    active_at: Option<Timestamp>,
    /// Whether a source had a record since the last look.
    was_active: bool,
    /// Since when all inputs are idle, by the machine's clock, and what time it was.
    idle_since: Option<(Timestamp, Timestamp)>,
    /// What was told last, and when by the machine's clock.
    told: Option<(Timestamp, bool)>,
    told_at: Timestamp,
    /// What is to be told with the next commit.
    to_tell: Option<(Timestamp, bool)>,
    /// Whether the task has come to the end of a run, and has pushed all that waited for time.
    is_finished: bool,
    /// The same at the last commit.
    was_finished: bool,
    /// How many tasks the sub-topology has; known once it was asked for.
    tasks: Option<u32>,
}

/// How time goes on without records, by the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long, in ms, an input without records is waited for; 0 for ever.
    pub(crate) idle_timeout_ms: i64,
    /// How much time, in ms, passes between two watermarks that a task writes.
    pub(crate) watermark_interval_ms: i64,
    /// Whether the run is to end.
    pub(crate) is_bounded: bool,
}

/// A task says again what time it is when it has not for so long, for those who were not there when it last did.
const REPEAT_MS: i64 = 10_000;

impl TaskTime {
    pub(super) fn new(description: TimeDescription) -> Self {
        let listened_to = description.upstream.iter().filter(|subs| !subs.is_empty()).count();
        TaskTime {
            has_sources: listened_to < description.upstream.len(),
            has_upstream: listened_to > 0,
            description,
            active_at: None,
            was_active: false,
            idle_since: None,
            told: None,
            told_at: Timestamp::MIN,
            to_tell: None,
            is_finished: false,
            was_finished: false,
            tasks: None,
        }
    }
}

impl Task {
    /// Puts the clock to what was committed.
    pub(super) fn reset_time(&mut self) {
        let (time, sources) = self.committed_time;
        let clock = &self.graph.clock;
        clock.reset(time);
        clock.set_upstream(self.time.has_upstream.then_some(time));
        clock.set_sources(self.time.has_sources.then_some(sources));
        self.time.idle_since = None;
        self.time.to_tell = None;
        self.time.is_finished = self.time.was_finished;
    }

    /// What is to be committed of the task's time, if it is not so already: the time, and what the sources have come to.
    pub(super) fn time_to_commit(&self) -> (Timestamp, Timestamp) {
        let (time, sources) = (self.graph.clock.now(), self.graph.clock.sources());
        (time, if sources == Timestamp::MAX { self.committed_time.1 } else { sources })
    }

    /// A source had a record. What holds the time back again, if all had been idle, is what it has come to.
    #[inline]
    pub(super) fn note_source_active(&mut self) {
        self.time.was_active = true;
        if self.time.has_upstream && self.graph.clock.sources() == Timestamp::MAX {
            self.graph.clock.set_sources(Some(self.graph.clock.now()));
        }
    }

    /// Upstream tasks have said something.
    pub(super) fn note_upstream(&mut self) {
        if let Reached::Time(time) = self.upstream_reached()
            && time != END_OF_RUN
        {
            self.time.idle_since = None;
            self.graph.clock.set_upstream(Some(time));
        }
    }

    /// What the upstream tasks of all inputs have come to.
    fn upstream_reached(&self) -> Reached {
        let inputs = self.inputs.iter().map(|input| &input.upstream).filter(|upstream| upstream.is_used());
        inputs.map(|upstream| upstream.reached()).fold(Reached::Idle(Timestamp::MIN), |all, one| match (all, one) {
            (Reached::Unknown, _) | (_, Reached::Unknown) => Reached::Unknown,
            (Reached::Time(a), Reached::Time(b)) => Reached::Time(a.min(b)),
            (Reached::Time(time), Reached::Idle(_)) | (Reached::Idle(_), Reached::Time(time)) => Reached::Time(time),
            (Reached::Idle(a), Reached::Idle(b)) => Reached::Idle(a.max(b)),
        })
    }

    /// Looks at the machine's clock: inputs without records are not waited for any longer than the idle timeout. When all
    /// are idle, the task's time goes on as the machine's does. Then calls what is due.
    pub(crate) fn pass_time(&mut self, output: &mut Output, now: Timestamp, pace: Pace) -> Result<(), TaskError> {
        if !self.time.description.is_used {
            return Ok(());
        }
        if self.time.is_finished {
            // For readers that were not there when it was said.
            if !self.time.description.announced_to.is_empty() && now.saturating_sub(self.time.told_at) >= REPEAT_MS {
                self.time.to_tell = Some((END_OF_RUN, false));
            }
            return Ok(());
        }
        if pace.is_bounded && self.is_at_end_of_run() {
            return self.finish(output, now);
        }
        if self.has_pending_calls() {
            // Their records are still to come: nobody is to go on without them.
            self.time.idle_since = None;
            self.decide_what_to_tell(now, pace);
            return self.punctuate_stream_time(output, now);
        }
        if std::mem::take(&mut self.time.was_active) {
            self.time.idle_since = None;
            self.time.active_at = Some(now);
        }
        let active_at = *self.time.active_at.get_or_insert(now);
        let sources_wait = self.time.has_sources
            && !(pace.idle_timeout_ms > 0
                && now.saturating_sub(active_at) >= pace.idle_timeout_ms
                && self.inputs.iter().all(super::Input::is_at_end));
        let upstream = if self.time.has_upstream { self.upstream_reached() } else { Reached::Idle(Timestamp::MIN) };
        let clock = &self.graph.clock;
        match upstream {
            Reached::Time(_) if !sources_wait && self.time.has_sources => clock.set_sources(None),
            Reached::Idle(_) if sources_wait && self.time.has_upstream => clock.set_upstream(None),
            Reached::Idle(time) if !sources_wait => {
                let (since, from) = *self.time.idle_since.get_or_insert((now, clock.now().max(time)));
                if from != Timestamp::MIN && pace.idle_timeout_ms > 0 {
                    clock.advance_to(from.saturating_add(now - since));
                }
            }
            _ => {}
        }
        self.punctuate_stream_time(output, now)?;
        self.decide_what_to_tell(now, pace);
        Ok(())
    }

    /// Whether nothing is to come any more in this run.
    fn is_at_end_of_run(&self) -> bool {
        if self.has_pending_calls() {
            return false;
        }
        self.inputs.iter().all(|input| match (input.upstream.is_used(), input.has_stop()) {
            (true, _) => input.upstream.is_at_end(),
            (false, true) => input.is_finished(),
            // A repartition topic of a circle, where nobody tells the time. What comes later finds the task not finished.
            (false, false) => input.is_at_end(),
        })
    }

    /// Pushes all that waits for time, and tells those behind that no more comes. The clock stays: a later run goes on from it.
    fn finish(&mut self, output: &mut Output, now: Timestamp) -> Result<(), TaskError> {
        self.time.is_finished = true;
        self.dirty = true;
        self.time.to_tell = Some((END_OF_RUN, false));
        self.call_alarms(END_OF_RUN, output, now)
    }

    /// Pushes what came to be held back after the end: from other operators of the task, or from calls.
    pub(super) fn push_after_end(&mut self, output: &mut Output, now: Timestamp) -> Result<(), TaskError> {
        if self.time.is_finished { self.call_alarms(END_OF_RUN, output, now) } else { Ok(()) }
    }

    /// Something came after all: in a circle of sub-topologies, or from an upstream task that goes on.
    #[inline]
    pub(super) fn note_not_finished(&mut self) {
        self.time.is_finished = false;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.time.is_finished
    }

    fn decide_what_to_tell(&mut self, now: Timestamp, pace: Pace) {
        let time = &mut self.time;
        if time.description.announced_to.is_empty() {
            return;
        }
        let reached = self.graph.clock.now();
        let held = if reached == Timestamp::MIN { reached } else { reached.saturating_sub(time.description.holds_ms) };
        let says = (held, time.idle_since.is_some());
        // One that said it is idle says no more until it is not: its time goes on with the machine's, as others know.
        let is_new = match time.told {
            Some((_, true)) if says.1 => false,
            told => told != Some(says) && says != (Timestamp::MIN, false),
        };
        let since = now.saturating_sub(time.told_at);
        let was_told = time.told.is_some();
        let is_due = is_new && since >= pace.watermark_interval_ms || was_told && since >= REPEAT_MS;
        time.to_tell = is_due.then_some(says);
    }

    /// Whether the next commit has a watermark to write.
    pub(super) fn has_to_tell(&self) -> bool {
        self.time.to_tell.is_some()
    }

    /// Writes the task's watermark to each partition of each repartition topic that is read by those who depend on it.
    pub(super) fn tell(&mut self, output: &mut Output) -> Result<(), BrokerError> {
        let Some((time, is_idle)) = self.time.to_tell else {
            return Ok(());
        };
        let tasks = match self.time.tasks {
            Some(tasks) => tasks,
            None => {
                let source = output.producer.topic(&self.inputs[0].partition.topic)?;
                *self.time.tasks.insert(output.producer.partitions(source)? as u32)
            }
        };
        let (sub_topology, partition) = (self.id.sub_topology as u32, self.id.partition as u32);
        let headers: Headers = Mark { sub_topology, partition, tasks, time, is_idle }.headers();
        // Brokers refuse timestamps far in the future: that of the mark of the end is the task's time.
        let timestamp = time.min(self.graph.clock.now());
        self.time.description.announced_to.iter().try_for_each(|topic| output.send_mark(*topic, timestamp, &headers))
    }

    pub(super) fn note_told(&mut self, now: Timestamp) {
        self.time.was_finished = self.time.is_finished;
        if let Some(told) = self.time.to_tell.take() {
            self.time.told = Some(told);
            self.time.told_at = now;
        }
    }
}
