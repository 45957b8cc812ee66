use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::AsyncOptions;
use super::call::{Attempt, Begin, BoxError, Cancel, Ended, spawn};
use super::order::{Timestamps, Turns};
use crate::broker::TopicPartition;
use crate::executor::Calling;
use crate::processor::{Context, Origin, Output, Place, ProcessError};
use crate::record::{Record, Timestamp};
use crate::time::Clock;

/// The calls of one node of a task, whatever they are about.
pub(crate) trait PendingCalls {
    /// Whether another record's call could begin at once, as far as can be known before its key is.
    fn has_room(&self) -> bool;

    /// Whether no record waits for its call, or its turn.
    fn is_empty(&self) -> bool;

    /// How many bytes the records that wait take, without what they have on the heap.
    fn bytes(&self) -> u64;

    /// The smallest timestamp (ms) among the records that wait: what comes of them may be as old.
    fn oldest_timestamp(&self) -> Option<Timestamp>;

    /// Pushes on the next result, if it is here, and has others begin; returns whether there was one. `at` says afterwards
    /// which record and node it was about.
    fn deliver(
        &self,
        output: &mut Output,
        at: &Place,
        clock: &Clock,
        wall_clock: Timestamp,
    ) -> Result<bool, ProcessError>;

    /// Throws away every record and every result, to come or here. No call begins before all of these have ended.
    fn forget(&self);
}

/// How many records wait at most, for one call that may be under way: behind others of their key, or for their turn.
const HELD_PER_CALL: usize = 4;

/// What pushes on the result of a record's call.
type Forward<K, V, R> = Box<dyn Fn(&mut Context<'_>, Record<K, V>, R) -> Result<(), ProcessError>>;

/// The calls of one node of a task.
pub(crate) struct Calls<K, V, R> {
    /// The node's number.
    node: usize,
    options: AsyncOptions,
    begin: Arc<Begin<K, V, R>>,
    forward: Forward<K, V, R>,
    state: RefCell<State<K, V, R>>,
    /// Where calls say how they ended, and where that is read.
    ended: (Sender<Ended<R>>, Receiver<Ended<R>>),
}

struct State<K, V, R> {
    /// The next record's number; none comes twice, so that what ends after an abort is known by its number.
    next: u64,
    held: HashMap<u64, Held<K, V, R>>,
    turns: Turns<K>,
    timestamps: Timestamps,
    running: usize,
    /// Calls from before an abort that have not ended.
    cancelled: usize,
}

struct Held<K, V, R> {
    record: Record<K, V>,
    /// Where it lies, with its input's number in the task.
    place: Option<(TopicPartition, usize, i64)>,
    call: Call<R>,
}

enum Call<R> {
    Waits,
    /// Cancelled when dropped.
    Runs {
        _cancel: Cancel,
    },
    Ended(Result<R, BoxError>),
}

impl<K, V, R> Calls<K, V, R>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + 'static,
    R: Send + 'static,
{
    pub(crate) fn new(
        node: usize,
        options: AsyncOptions,
        begin: impl Fn(Record<K, V>) -> Attempt<R> + Send + Sync + 'static,
        forward: impl Fn(&mut Context<'_>, Record<K, V>, R) -> Result<(), ProcessError> + 'static,
    ) -> Self {
        let (turns, timestamps) = (Turns::new(options.order), Timestamps::default());
        let state = State { next: 0, held: HashMap::new(), turns, timestamps, running: 0, cancelled: 0 };
        let (begin, forward) = (Arc::new(begin), Box::new(forward));
        Calls { node, options, begin, forward, state: RefCell::new(state), ended: channel() }
    }

    /// Takes a record; its call begins when it may.
    pub(crate) fn add(&self, context: &mut Context<'_>, record: Record<K, V>) -> Result<(), ProcessError> {
        let input = context.at.record().map_or(0, |(input, _)| input);
        let partition = |origin: Origin<'_>| TopicPartition::new(origin.topic, origin.partition);
        let place = context.origin.map(|origin| (partition(origin), input, origin.offset));
        let state = &mut *self.state.borrow_mut();
        let number = state.next;
        state.next += 1;
        state.turns.add(number, &record.key);
        state.timestamps.add(record.timestamp);
        state.held.insert(number, Held { record, place, call: Call::Waits });
        self.begin_ready(state, context.output.calling.as_ref())
    }

    fn begin_ready(&self, state: &mut State<K, V, R>, calling: Option<&Calling>) -> Result<(), ProcessError> {
        while state.cancelled == 0
            && state.running < self.options.concurrency
            && let Some(number) = state.turns.next_ready()
        {
            let calling = calling.ok_or_else(|| ProcessError::new("there is no executor for asynchronous calls"))?;
            if let Some(held) = state.held.get_mut(&number) {
                let (begin, ended) = (self.begin.clone(), self.ended.0.clone());
                let cancel = spawn(calling.clone(), self.options, begin, held.record.clone(), number, ended);
                held.call = Call::Runs { _cancel: cancel };
                state.running += 1;
            }
        }
        Ok(())
    }

    /// Takes note of what has ended.
    fn collect(&self, state: &mut State<K, V, R>) {
        while let Ok(Ended { number, result }) = self.ended.1.try_recv() {
            match state.held.get_mut(&number) {
                Some(held) => {
                    held.call = Call::Ended(result);
                    state.turns.end(number, &held.record.key);
                    state.running -= 1;
                }
                None => state.cancelled = state.cancelled.saturating_sub(1),
            }
        }
    }
}

impl<K, V, R> PendingCalls for Calls<K, V, R>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + 'static,
    R: Send + 'static,
{
    fn has_room(&self) -> bool {
        let state = self.state.borrow();
        let concurrency = self.options.concurrency;
        state.running < concurrency && !state.turns.has_ready() && state.held.len() < HELD_PER_CALL * concurrency
    }

    fn is_empty(&self) -> bool {
        self.state.borrow().held.is_empty()
    }

    fn bytes(&self) -> u64 {
        (self.state.borrow().held.capacity() * size_of::<(u64, Held<K, V, R>)>()) as u64
    }

    fn oldest_timestamp(&self) -> Option<Timestamp> {
        self.state.borrow().timestamps.oldest()
    }

    fn deliver(
        &self,
        output: &mut Output,
        at: &Place,
        clock: &Clock,
        wall_clock: Timestamp,
    ) -> Result<bool, ProcessError> {
        at.set_no_record();
        at.go_to(self.node as u32);
        let next = {
            let state = &mut *self.state.borrow_mut();
            self.collect(state);
            self.begin_ready(state, output.calling.as_ref()).map_err(|error| error.at(self.node))?;
            state.turns.next_ended().and_then(|number| state.held.remove(&number))
        };
        let Some(Held { record, place, call: Call::Ended(result) }) = next else {
            return Ok(false);
        };
        if let Some((_, input, offset)) = &place {
            at.set_record(*input, *offset);
        }
        let timestamp = record.timestamp;
        let pushed = result.map_err(ProcessError::new).and_then(|result| {
            let origin = place.as_ref().map(|(partition, _, offset)| Origin {
                topic: &partition.topic,
                partition: partition.partition,
                offset: *offset,
            });
            (self.forward)(&mut Context { output, at, origin, clock, wall_clock }, record, result)
        });
        self.state.borrow_mut().timestamps.remove(timestamp);
        pushed.map_err(|error| error.at(self.node))?;
        Ok(true)
    }

    fn forget(&self) {
        let state = &mut *self.state.borrow_mut();
        state.held.clear();
        state.turns.clear();
        state.timestamps = Timestamps::default();
        state.cancelled += std::mem::take(&mut state.running);
    }
}
