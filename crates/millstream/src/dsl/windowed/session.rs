use std::hash::Hash;

use super::super::emit::{on_close, on_commit};
use super::super::{Change, Emit, Table};
use super::{Update, WindowedStream, Windows, push_updates};
use crate::processor::Tee;
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
        SessionWindows::fold(self, "windowed-aggregate", store, move || Some(init()), step, merger)
    }
}

impl Windows for SessionWindows {
    fn fold<K, V, A>(
        on: &WindowedStream<K, V, Self>,
        operator: &'static str,
        store: Store<K, A>,
        init: impl Fn() -> Option<A> + 'static,
        step: impl Fn(&K, V, &mut Option<A>) + 'static,
        merge: impl Fn(&K, &mut A, A) + 'static,
    ) -> Table<Windowed<K>, A>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
        A: Clone + 'static,
    {
        let (builder, windows, late, emit) = (&on.stream.builder, on.windows, on.late.clone(), on.emit);
        let grace_ms = windows.gap_ms().saturating_add(windows.grace_ms());
        // A closed session is not seen any more: nothing can be merged into it.
        let closes_ms = grace_ms.saturating_add(1);
        let mut graph = builder.graph.borrow_mut();
        graph.refuse_time_to_live(&store, super::LIVES_UNTIL_CLOSED);
        let (id, clock) = (graph.store(&store.name), graph.clock.clone());
        let store = SessionStore::of(id, SpanRows::new(store, SpanKeys::Sessions, closes_ms, grace_ms, clock));
        graph.set_store(id, store.erased());
        drop(graph);
        let rows = store.rows.clone();
        let scratch = std::cell::RefCell::new(Vec::new());
        let changes =
            on.stream.then(operator, false, move |context, record, children: &Tee<Windowed<K>, Change<A>>| {
                let Record { key, value, timestamp: time, headers } = record;
                let (mut value, gap_ms, stream_time) = (Some(value), windows.gap_ms(), context.stream_time());
                let from = time.saturating_sub(gap_ms).max(rows.live_from());
                let mut updates: Vec<Update<A>> = scratch.take();
                let on_update = emit.on_update();
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
                        if on_update && goes_on {
                            old = span.value.clone();
                        } else if on_update {
                            updates.push(Update { window, old: span.value.clone(), new: None, timestamp });
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
                let pushed = push_updates(context, &key, &Headers::default(), &mut updates, children);
                scratch.replace(updates);
                match value {
                    Some(value) => late.push(context, Record { key, value, timestamp: time, headers }),
                    None => pushed,
                }
            });
        let mut graph = builder.graph.borrow_mut();
        graph.connect(store.store_id(), changes.node);
        // A session's results have its end as their time: none is before it.
        graph.makes_windows(changes.node, WindowTimes { span_ms: 0, grace_ms });
        graph.uses_time(changes.node, if emit == Emit::OnWindowClose { closes_ms } else { 0 });
        drop(graph);
        match emit {
            Emit::OnUpdate => {}
            Emit::OnCommit => on_commit(builder, changes.node, &changes.children, move || store.rows.changed()),
            Emit::OnWindowClose => {
                store.rows.hand_out(closes_ms);
                let due = store.clone();
                on_close(
                    builder,
                    changes.node,
                    &changes.children,
                    move || due.rows.next_close(),
                    move |time| store.rows.take_closed(time),
                );
            }
        }
        Table::new(builder, changes.node, changes.children, None)
    }
}
