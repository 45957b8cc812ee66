use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;

use super::super::emit::{on_close, on_commit};
use super::super::fold::{AnyFold, Fold};
use super::super::{Change, Emit, Stream};
use super::{Merging, Update, Windows, push_updates};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::{Record, Timestamp};
use crate::state::{SpanKeys, SpanRows, Spans, Store};
use crate::topology::WindowTimes;
use crate::window::{SlidingWindows, Windowed};

/// Folds the values of each key and sliding window.
pub struct SlidingFold<K, A> {
    windows: SlidingWindows,
    rows: Rc<SpanRows<K, A>>,
    emit: Emit,
    children: Tee<Windowed<K>, Change<A>>,
    /// Empty between records.
    updates: RefCell<Vec<Update<A>>>,
}

impl Windows for SlidingWindows {
    type Fold<K: Hash + Eq + Clone + 'static, A: Clone + 'static> = SlidingFold<K, A>;

    fn open<K, A>(
        self,
        changes: &Stream<Windowed<K>, Change<A>>,
        store: Store<K, A>,
        emit: Emit,
        _merging: Merging<K, A>,
    ) -> SlidingFold<K, A>
    where
        K: Hash + Eq + Clone + 'static,
        A: Clone + 'static,
    {
        let (builder, node, children) = (&changes.builder, changes.node, &changes.children);
        let (span_ms, grace_ms) = (self.time_difference_ms(), self.grace_ms());
        let closes_ms = grace_ms.saturating_add(1);
        // A record that is not late may need what closed windows hold, up to one that begins twice the difference before it.
        let retention_ms = closes_ms.saturating_add(span_ms).saturating_add(1);
        let behind_ms = span_ms.saturating_mul(2).saturating_add(grace_ms);
        let mut graph = builder.graph.borrow_mut();
        graph.refuse_time_to_live(&store, super::LIVES_UNTIL_CLOSED);
        let (id, clock) = (graph.store(&store.name), graph.clock.clone());
        let store = Rc::new(SpanRows::new(store, SpanKeys::Windows(span_ms), retention_ms, behind_ms, clock));
        graph.set_store(id, store.clone());
        graph.connect(id, node);
        graph.makes_windows(node, WindowTimes { span_ms, grace_ms });
        let holds_ms = span_ms.saturating_add(closes_ms);
        graph.uses_time(node, if emit == Emit::OnWindowClose { holds_ms } else { 0 });
        drop(graph);
        let rows = store.clone();
        match emit {
            Emit::OnUpdate => {}
            Emit::OnCommit => on_commit(builder, node, children, move || store.changed()),
            Emit::OnWindowClose => {
                store.hand_out(closes_ms);
                let due = store.clone();
                on_close(builder, node, children, move || due.next_close(), move |time| store.take_closed(time));
            }
        }
        SlidingFold { windows: self, rows, emit, children: children.clone(), updates: RefCell::default() }
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> Fold<K, A> for SlidingFold<K, A> {
    fn add<V: Clone>(
        &self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &impl Fn(&K, V, &mut Option<A>),
    ) -> Result<Option<Record<K, V>>, ProcessError> {
        let (time, windows) = (record.timestamp, self.windows);
        if time < 0 {
            return Err(ProcessError::new(format!("sliding windows begin at 0; found the timestamp {time} ms")));
        }
        let close_time = context.stream_time().saturating_sub(windows.grace_ms());
        if time.saturating_add(windows.time_difference_ms()) < close_time {
            return Ok(Some(record));
        }
        let mut updates = self.updates.take();
        let (live_from, on_update) = (self.rows.live_from(), self.emit.on_update());
        let wants_old = on_update && self.children.wants_old();
        let taken = self.rows.change(&record.key, |spans| {
            let step = |aggregate: &mut Option<A>| step(&record.key, record.value.clone(), aggregate);
            let updates = &mut updates;
            Slide { spans, windows, time, close_time, on_update, wants_old, updates, step, taken: false }.run(live_from)
        });
        let pushed = push_updates(context, &record.key, &record.headers, &mut updates, &self.children);
        self.updates.replace(updates);
        pushed?;
        Ok((!taken).then_some(record))
    }

    fn any(self: Rc<Self>) -> AnyFold<K, A> {
        AnyFold::Sliding(self)
    }
}

/// What one record does to the windows of its key, in the order in which Kafka Streams does it.
///
/// There is a window that ends at each record (its left window) and one that begins right after it, if that holds any record
/// (its right window). So what a new window holds besides the record is known from the windows that there are.
struct Slide<'a, A, F> {
    spans: &'a mut Spans<A>,
    windows: SlidingWindows,
    /// The record's timestamp.
    time: Timestamp,
    /// Windows that end earlier are closed.
    close_time: Timestamp,
    on_update: bool,
    wants_old: bool,
    updates: &'a mut Vec<Update<A>>,
    step: F,
    /// Whether a window took the record.
    taken: bool,
}

impl<A: Clone, F: FnMut(&mut Option<A>)> Slide<'_, A, F> {
    /// Returns whether any window took the record.
    fn run(mut self, live_from: Timestamp) -> bool {
        if self.time < self.windows.time_difference_ms() {
            self.early(live_from);
        } else {
            self.backward(live_from);
        }
        self.taken
    }

    /// From the last window on that may hold the record, or begins right after it.
    fn backward(&mut self, live_from: Timestamp) {
        let (time, difference_ms) = (self.time, self.windows.time_difference_ms());
        let from = time.saturating_sub(difference_ms).saturating_sub(difference_ms).max(0);
        let first = self.spans.first_to(self.windows.window_from(from).end.max(live_from));
        let after = self.spans.first_to(self.windows.window_from(time + 2).end);
        let (mut left_exists, mut right_exists, mut right, mut right_known) = (false, false, None, false);
        let (mut previous, mut left) = (None, None);
        for index in (first..after).rev() {
            let span = &self.spans.list()[index];
            let (window, newest) = (span.window, span.timestamp);
            if window.start == time + 1 {
                right_exists = true;
            } else if window.end > time {
                if !right_known {
                    right_known = true;
                    right = (!right_exists && newest > time).then(|| (span.value.clone(), newest));
                }
                self.update(index);
            } else if window.end == time {
                left_exists = true;
                self.update(index);
                if newest >= time {
                    // The record is not the first of its time: its windows are there.
                    return;
                }
                previous = Some(newest);
            } else {
                previous = Some(newest);
                left = (!left_exists && newest >= time - difference_ms).then(|| span.value.clone());
                break;
            }
        }
        if let Some(previous) = previous
            && self.windows.window_from(previous + 1).end >= time
        {
            self.create_right_of(previous);
        }
        if !left_exists {
            self.create(time - difference_ms, left.flatten());
        }
        if let Some((value, newest)) = right {
            self.create_own_right(value, newest);
        }
    }

    /// A record earlier than the time difference: its left window is the one that begins at 0.
    fn early(&mut self, live_from: Timestamp) {
        let time = self.time;
        let zero = self.windows.window_from(0);
        let first = self.spans.first_to(zero.end.max(live_from));
        let after = self.spans.first_to(self.windows.window_from(time + 2).end);
        let (mut combined, mut previous, mut right, mut right_exists) = (None, None, None, false);
        for index in first..after {
            let span = &self.spans.list()[index];
            let (window, newest) = (span.window, span.timestamp);
            if window.start == 0 {
                combined = Some(newest);
                previous = (newest < time).then_some(newest);
            } else if window.start <= time {
                right = Some((span.value.clone(), newest));
                self.update(index);
            } else {
                right_exists = true;
            }
        }
        if right.is_none() && combined.is_some_and(|newest| newest > time) {
            // No record lies before this one: what the window at 0 holds comes after it.
            let span = &self.spans.list()[first];
            right = Some((span.value.clone(), span.timestamp));
        }
        if let Some((value, newest)) = right
            && newest > time
            && !right_exists
        {
            self.create_own_right(value, newest);
        }
        if let Some(previous) = previous {
            self.create_right_of(previous);
        }
        match self.spans.position(zero) {
            Ok(index) => self.update(index),
            Err(_) => self.create(0, None),
        }
    }

    /// The window right of the record before, which holds this record alone; unless it is there.
    fn create_right_of(&mut self, previous: Timestamp) {
        if self.spans.position(self.windows.window_from(previous + 1)).is_err() {
            self.create(previous + 1, None);
        }
    }

    /// The window right of this record, with what is there of later records.
    fn create_own_right(&mut self, value: Option<A>, newest: Timestamp) {
        let window = self.windows.window_from(self.time + 1);
        if self.on_update {
            self.updates.push(Update { window, old: None, new: value.clone(), timestamp: newest });
        }
        self.spans.put(window, value, newest);
    }

    /// A new window with this record, and what it holds besides.
    fn create(&mut self, start: Timestamp, value: Option<A>) {
        let window = self.windows.window_from(start);
        if window.end < self.close_time {
            return;
        }
        // The record's left window may be the one right of the record before, which was created just now.
        let there = self.spans.position(window).ok().filter(|_| self.wants_old);
        let old = there.and_then(|index| self.spans.list()[index].value.clone());
        self.spans.put(window, value, self.time);
        if let Ok(index) = self.spans.position(window) {
            self.apply(index, old);
        }
    }

    fn update(&mut self, index: usize) {
        let span = &self.spans.list()[index];
        if span.window.end >= self.close_time {
            let old = if self.wants_old { span.value.clone() } else { None };
            self.apply(index, old);
        }
    }

    fn apply(&mut self, index: usize, old: Option<A>) {
        let window = self.spans.list()[index].window;
        let (value, timestamp) = self.spans.change(index);
        (self.step)(value);
        *timestamp = self.time.max(*timestamp);
        if self.on_update {
            self.updates.push(Update { window, old, new: value.clone(), timestamp: *timestamp });
        }
        self.taken = true;
    }
}
