use std::hash::Hash;

use super::super::emit::{on_close, on_commit};
use super::super::{Change, Emit, Table};
use super::{WindowedStream, Windows};
use crate::processor::Tee;
use crate::record::Record;
use crate::state::{Store, WindowStore};
use crate::topology::WindowTimes;
use crate::window::{TimeWindows, Window, Windowed};

impl Windows for TimeWindows {
    fn fold<K, V, A>(
        on: &WindowedStream<K, V, Self>,
        operator: &'static str,
        store: Store<K, A>,
        _init: impl Fn() -> Option<A> + 'static,
        step: impl Fn(&K, V, &mut Option<A>) + 'static,
        _merge: impl Fn(&K, &mut A, A) + 'static,
    ) -> Table<Windowed<K>, A>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
        A: Clone + 'static,
    {
        let (builder, windows, late, emit) = (&on.stream.builder, on.windows, on.late.clone(), on.emit);
        let (id, clock) = {
            let mut graph = builder.graph.borrow_mut();
            graph.refuse_time_to_live(&store, super::LIVES_UNTIL_CLOSED);
            (graph.store(&store.name), graph.clock.clone())
        };
        // A window's retention ends when it closes: an open one is always seen.
        let lives_ms = windows.size_ms().saturating_add(windows.grace_ms());
        let store = WindowStore::new(id, store, windows.size_ms(), lives_ms, clock);
        builder.graph.borrow_mut().set_store(id, store.erased());
        let rows = store.clone();
        let changes =
            on.stream.then(operator, false, move |context, record, children: &Tee<Windowed<K>, Change<A>>| {
                let stream_time = context.stream_time();
                let mut open = windows.windows_at(record.timestamp).filter(|w| !windows.is_closed(*w, stream_time));
                let Some(mut window) = open.next() else {
                    return late.push(context, record);
                };
                let mut update = |window: Window, record: Record<K, V>| {
                    let Record { key, value, timestamp, headers } = record;
                    let (change, timestamp) = rows.update(&key, window.start, |aggregate, time| {
                        let old = if emit.on_update() { aggregate.clone() } else { None };
                        step(&key, value, aggregate);
                        *time = timestamp.max(*time);
                        (emit.on_update().then(|| Change { old, new: aggregate.clone() }), *time)
                    });
                    let Some(change) = change else { return Ok(()) };
                    children.push(context, Record { key: Windowed { key, window }, value: change, timestamp, headers })
                };
                for next in open {
                    update(window, record.clone())?;
                    window = next;
                }
                update(window, record)
            });
        let mut graph = builder.graph.borrow_mut();
        graph.connect(id, changes.node);
        let (span_ms, grace_ms) = (windows.size_ms(), windows.grace_ms());
        graph.makes_windows(changes.node, WindowTimes { span_ms, grace_ms });
        graph.uses_time(changes.node, if emit == Emit::OnWindowClose { lives_ms } else { 0 });
        drop(graph);
        match emit {
            Emit::OnUpdate => {}
            Emit::OnCommit => on_commit(builder, changes.node, &changes.children, move || store.changed()),
            Emit::OnWindowClose => {
                store.hand_out();
                let due = store.clone();
                on_close(
                    builder,
                    changes.node,
                    &changes.children,
                    move || due.next_expiry(),
                    move |time| store.take_expired(time),
                );
            }
        }
        Table::new(builder, changes.node, changes.children, None)
    }
}
