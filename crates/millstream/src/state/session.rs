use std::hash::Hash;
use std::rc::Rc;

use super::{Connect, SpanKeys, SpanRows, StateStore, Store, StoreId};
use crate::record::Timestamp;
use crate::time::Clock;
use crate::window::Window;

/// The sessions of each key, with a changelog, each kept for a retention time after its end.
///
/// A session whose retention is over is not seen any more, whenever that is noticed: stream time decides. It goes from the
/// changelog by a tombstone.
///
/// In the changelog a key is what Kafka Streams' session stores write: the key's bytes, and the session's end and its start in ms,
/// each as eight bytes big-endian.
pub struct SessionStore<K, V> {
    id: StoreId,
    pub(crate) rows: Rc<SpanRows<K, V>>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> SessionStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, retention_ms: i64, clock: Clock) -> Self {
        Self::of(id, SpanRows::new(store, SpanKeys::Sessions, retention_ms, i64::MAX, clock))
    }

    pub(crate) fn of(id: StoreId, rows: SpanRows<K, V>) -> Self {
        SessionStore { id, rows: Rc::new(rows) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.rows.clone()
    }

    /// A clone of the value of the key's session with exactly this start and end.
    pub fn fetch_session(&self, key: &K, session: Window) -> Option<V> {
        if session.end < self.rows.live_from() {
            return None;
        }
        self.rows.with(key, |list| list.iter().find(|span| span.window == session)?.value.clone())
    }

    /// Sets the value of a key's session. Returns whether it was taken: a session whose retention is over is not.
    pub fn put(&self, key: &K, session: Window, value: V) -> bool {
        let live = session.end >= self.rows.live_from();
        if live {
            self.rows.change(key, |spans| drop(spans.put(session, Some(value), session.end)));
        }
        live
    }

    /// Removes a key's session; gives its value.
    pub fn remove(&self, key: &K, session: Window) -> Option<V> {
        if session.end < self.rows.live_from() {
            return None;
        }
        self.rows.change(key, |spans| {
            let index = spans.position(session).ok()?;
            spans.drain(index..index + 1).next()?.value
        })
    }

    /// Looks at the key's sessions that end at `earliest_end` or later and start at `latest_start` (ms) or earlier, by end and
    /// start. `look` must not change this store.
    pub fn find_sessions(
        &self,
        key: &K,
        earliest_end: Timestamp,
        latest_start: Timestamp,
        mut look: impl FnMut(Window, &V),
    ) {
        let from = earliest_end.max(self.rows.live_from());
        self.rows.with(key, |list| {
            let found = list.iter().filter(|span| span.window.end >= from && span.window.start <= latest_start);
            found.for_each(|span| {
                if let Some(value) = &span.value {
                    look(span.window, value);
                }
            });
        });
    }

    /// Looks at all of the key's sessions, by end and start. `look` must not change this store.
    pub fn fetch(&self, key: &K, look: impl FnMut(Window, &V)) {
        self.find_sessions(key, Timestamp::MIN, Timestamp::MAX, look);
    }
}

impl<K, V> Clone for SessionStore<K, V> {
    fn clone(&self) -> Self {
        SessionStore { id: self.id, rows: self.rows.clone() }
    }
}

impl<K, V> Connect for SessionStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }

    fn uses_time(&self) -> bool {
        true
    }
}
