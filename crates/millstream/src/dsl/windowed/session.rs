use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;

use super::super::emit::{on_close, on_commit};
use super::super::fold::{AnyFold, Fold};
use super::super::{Change, Emit, Stream, Table};
use super::{Merging, Update, WindowedStream, Windows, push_updates};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::{Headers, Record};
use crate::state::{Connect, SessionStore, SpanKeys, SpanRows, Store};
use crate::topology::WindowTimes;
use crate::window::{SessionWindows, Window, Windowed};

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> WindowedStream<K, V, SessionWindows> {
    /// Folds the values of each session into an aggregate of another type; `merger` adds to one what another session holds.
    ///
    /// A record that joins or extends sessions yields null for each of them first, then the session that they have become. Results
    /// of sessions have no headers.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # use std::time::Duration;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, Vec<i64>>::new("out", SessionWindowed(Utf8), Json));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let sessions = SessionWindows::inactivity_gap(Duration::from_millis(10)).grace(Duration::from_millis(50));
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let lists = Store::new("lists", Utf8, Json);
    ///     let (push, extend) = (|_: &_, value, list: &mut Vec<i64>| list.push(value), |_: &_, list: &mut Vec<i64>, more| list.extend(more));
    ///     let sessions = b.stream(&i).group_by_key().windowed_by(sessions);
    ///     sessions.aggregate(lists, Vec::new, push, extend).to_stream().to(&o)
    /// });
    /// for (value, timestamp) in [(1, 0), (2, 20), (3, 10)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp); // the last one joins the others
    /// }
    /// let sessions: Vec<_> = driver.entries(&output).into_iter().map(|(k, v)| (k.window.start, k.window.end, v)).collect();
    /// let expected =
    ///     [(0, 0, Some(vec![1])), (20, 20, Some(vec![2])), (0, 0, None), (20, 20, None), (0, 20, Some(vec![1, 2, 3]))];
    /// assert_eq!(sessions, expected);
    /// ```
    pub fn aggregate<A: Clone + 'static>(
        &self,
        store: Store<K, A>,
        init: impl Fn() -> A + 'static,
        aggregator: impl Fn(&K, V, &mut A) + 'static,
        merger: impl Fn(&K, &mut A, A) + 'static,
    ) -> Table<Windowed<K>, A> {
        let step = move |key: &K, value, aggregate: &mut Option<A>| {
            if let Some(aggregate) = aggregate {
                aggregator(key, value, aggregate);
            }
        };
        self.fold("windowed-aggregate", store, Merging::new(move || Some(init()), merger), step)
    }
}

/// Folds the values of each key and session.
pub struct SessionFold<K, A> {
    windows: SessionWindows,
    rows: Rc<SpanRows<K, A>>,
    merging: Merging<K, A>,
    emit: Emit,
    children: Tee<Windowed<K>, Change<A>>,
    /// Empty between records.
    updates: RefCell<Vec<Update<A>>>,
}

impl Windows for SessionWindows {
    type Fold<K: Hash + Eq + Clone + 'static, A: Clone + 'static> = SessionFold<K, A>;

    fn open<K, A>(
        self,
        changes: &Stream<Windowed<K>, Change<A>>,
        store: Store<K, A>,
        emit: Emit,
        merging: Merging<K, A>,
    ) -> SessionFold<K, A>
    where
        K: Hash + Eq + Clone + 'static,
        A: Clone + 'static,
    {
        let (builder, node, children) = (&changes.builder, changes.node, &changes.children);
        let grace_ms = self.gap_ms().saturating_add(self.grace_ms());
        // A closed session is not seen any more: nothing can be merged into it.
        let closes_ms = grace_ms.saturating_add(1);
        let mut graph = builder.graph.borrow_mut();
        graph.refuse_time_to_live(&store, super::LIVES_UNTIL_CLOSED);
        let (id, clock) = (graph.store(&store.name), graph.clock.clone());
        let store = SessionStore::of(id, SpanRows::new(store, SpanKeys::Sessions, closes_ms, grace_ms, clock));
        graph.set_store(id, store.erased());
        graph.connect(store.store_id(), node);
        // A session's results have its end as their time: none is before it.
        graph.makes_windows(node, WindowTimes { span_ms: 0, grace_ms });
        graph.uses_time(node, if emit == Emit::OnWindowClose { closes_ms } else { 0 });
        drop(graph);
        let rows = store.rows.clone();
        match emit {
            Emit::OnUpdate => {}
            Emit::OnCommit => on_commit(builder, node, children, move || store.rows.changed()),
            Emit::OnWindowClose => {
                store.rows.hand_out(closes_ms);
                let due = store.clone();
                let next = move || due.rows.next_close();
                on_close(builder, node, children, next, move |time| store.rows.take_closed(time));
            }
        }
        SessionFold { windows: self, rows, merging, emit, children: children.clone(), updates: RefCell::default() }
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> Fold<K, A> for SessionFold<K, A> {
    fn add<V: Clone>(
        &self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &impl Fn(&K, V, &mut Option<A>),
    ) -> Result<Option<Record<K, V>>, ProcessError> {
        let Record { key, value, timestamp: time, headers } = record;
        let (windows, rows, Merging { init, merge }) = (self.windows, &self.rows, &self.merging);
        let (mut value, gap_ms, stream_time) = (Some(value), windows.gap_ms(), context.stream_time());
        let from = time.saturating_sub(gap_ms).max(rows.live_from());
        let mut updates: Vec<Update<A>> = self.updates.take();
        let on_update = self.emit.on_update();
        let wants_old = on_update && self.children.wants_old();
        rows.change(&key, |spans| {
            let first = spans.first_to(from);
            let latest_start = time.saturating_add(gap_ms);
            let near = spans.list()[first..].iter().take_while(|span| span.window.start <= latest_start);
            let (mut session, mut count) = (Window { start: time, end: time }, 0);
            for span in near {
                let Window { start, end } = span.window;
                session = Window { start: session.start.min(start), end: session.end.max(end) };
                count += 1;
            }
            if windows.is_closed(session, stream_time) {
                return;
            }
            let Some(value) = value.take() else { return };
            // Another record of the very time, in a session of its own: that one goes on, nothing is merged.
            let goes_on = session.start == session.end;
            let (mut aggregate, mut old) = (init(), None);
            for span in spans.drain(first..first + count) {
                let (window, timestamp) = (span.window, span.window.end);
                let before = if wants_old { span.value.clone() } else { None };
                if on_update && !goes_on {
                    updates.push(Update { window, old: before, new: None, timestamp });
                } else {
                    old = before;
                }
                match (&mut aggregate, span.value) {
                    (Some(aggregate), Some(value)) => merge(&key, aggregate, value),
                    (none, value) => *none = value,
                }
            }
            step(&key, value, &mut aggregate);
            if on_update {
                updates.push(Update { window: session, old, new: aggregate.clone(), timestamp: session.end });
            }
            spans.put(session, aggregate, session.end);
        });
        let pushed = push_updates(context, &key, &Headers::default(), &mut updates, &self.children);
        self.updates.replace(updates);
        pushed?;
        Ok(value.map(|value| Record { key, value, timestamp: time, headers }))
    }

    fn any(self: Rc<Self>) -> AnyFold<K, A> {
        AnyFold::Session(self)
    }
}
