use std::hash::Hash;
use std::rc::Rc;

use super::super::emit::{on_close, on_commit};
use super::super::fold::{AnyFold, Fold};
use super::super::{Change, Emit, Stream};
use super::{Merging, Windows};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::state::{Store, WindowStore};
use crate::topology::WindowTimes;
use crate::window::{TimeWindows, Window, Windowed};

/// Folds the values of each key and time window.
pub struct TimeFold<K, A> {
    windows: TimeWindows,
    rows: WindowStore<K, A>,
    emit: Emit,
    children: Tee<Windowed<K>, Change<A>>,
}

impl Windows for TimeWindows {
    type Fold<K: Hash + Eq + Clone + 'static, A: Clone + 'static> = TimeFold<K, A>;

    fn open<K, A>(
        self,
        changes: &Stream<Windowed<K>, Change<A>>,
        store: Store<K, A>,
        emit: Emit,
        _merging: Merging<K, A>,
    ) -> TimeFold<K, A>
    where
        K: Hash + Eq + Clone + 'static,
        A: Clone + 'static,
    {
        let (builder, node, children) = (&changes.builder, changes.node, &changes.children);
        let mut graph = builder.graph.borrow_mut();
        graph.refuse_time_to_live(&store, super::LIVES_UNTIL_CLOSED);
        let (id, clock) = (graph.store(&store.name), graph.clock.clone());
        let (span_ms, grace_ms) = (self.size_ms(), self.grace_ms());
        // A window's retention ends when it closes: an open one is always seen.
        let lives_ms = span_ms.saturating_add(grace_ms);
        let store = WindowStore::new(id, store, span_ms, lives_ms, clock);
        graph.set_store(id, store.erased());
        graph.connect(id, node);
        graph.makes_windows(node, WindowTimes { span_ms, grace_ms });
        graph.uses_time(node, if emit == Emit::OnWindowClose { lives_ms } else { 0 });
        drop(graph);
        let rows = store.clone();
        match emit {
            Emit::OnUpdate => {}
            Emit::OnCommit => on_commit(builder, node, children, move || store.changed()),
            Emit::OnWindowClose => {
                store.hand_out();
                let due = store.clone();
                on_close(builder, node, children, move || due.next_expiry(), move |time| store.take_expired(time));
            }
        }
        TimeFold { windows: self, rows, emit, children: children.clone() }
    }
}

impl<K: Hash + Eq + Clone + 'static, A: Clone + 'static> Fold<K, A> for TimeFold<K, A> {
    fn add<V: Clone>(
        &self,
        context: &mut Context<'_>,
        record: Record<K, V>,
        step: &impl Fn(&K, V, &mut Option<A>),
    ) -> Result<Option<Record<K, V>>, ProcessError> {
        let (windows, stream_time, on_update) = (self.windows, context.stream_time(), self.emit.on_update());
        let mut open = windows.windows_at(record.timestamp).filter(|w| !windows.is_closed(*w, stream_time));
        let Some(mut window) = open.next() else {
            return Ok(Some(record));
        };
        let mut update = |window: Window, record: Record<K, V>| {
            let Record { key, value, timestamp, headers } = record;
            let (change, timestamp) = self.rows.update(&key, window.start, |aggregate, time| {
                let old = if on_update && self.children.wants_old() { aggregate.clone() } else { None };
                step(&key, value, aggregate);
                *time = timestamp.max(*time);
                (on_update.then(|| Change { old, new: aggregate.clone() }), *time)
            });
            let Some(change) = change else { return Ok(()) };
            self.children.push(context, Record { key: Windowed { key, window }, value: change, timestamp, headers })
        };
        for next in open {
            update(window, record.clone())?;
            window = next;
        }
        update(window, record)?;
        Ok(None)
    }

    fn any(self: Rc<Self>) -> AnyFold<K, A> {
        AnyFold::Time(self)
    }
}
