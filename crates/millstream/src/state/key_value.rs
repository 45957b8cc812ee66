use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::kept::{Kept, KeyedRows};
use super::rows::{ChangedRow, Rows};
use super::{Connect, StateStore, Store, StoreId};
use crate::record::Timestamp;
use crate::serde::Serde;
use crate::time::Clock;

/// A typed map with a changelog: one value a key, with the time of its last change.
///
/// The handle is cheap to clone; a processor keeps one.
pub struct KeyValueStore<K, V> {
    id: StoreId,
    inner: Rc<Kept<Rows<K, V>, K, V>>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> KeyValueStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, clock: &Clock) -> Self {
        KeyValueStore { id, inner: Rc::new(Kept::new(store, clock)) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }
}

impl<K: Hash + Eq + 'static, V: Clone + 'static> KeyValueStore<K, V> {
    /// A clone of the key's value.
    pub fn get(&self, key: &K) -> Option<V> {
        self.with(key, |row| row.map(|(value, _)| value.clone()))
    }

    /// Looks at the key's value and the time of its last change, without a clone. `look` must not change this store.
    pub fn with<R>(&self, key: &K, look: impl FnOnce(Option<(&V, Timestamp)>) -> R) -> R {
        self.inner.with(key, look)
    }

    /// Sets the key's value as of `timestamp` (ms).
    pub fn put(&self, key: K, value: V, timestamp: Timestamp) {
        self.inner.put(key, Some(value), timestamp);
    }

    /// Deletes the key as of `timestamp` (ms): a tombstone in the changelog.
    pub fn delete(&self, key: K, timestamp: Timestamp) {
        self.inner.put(key, None, timestamp);
    }

    /// Changes the key's value, `None` where there is none, and its time in place. `change` must not use this store.
    pub fn update<R>(&self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
    {
        self.inner.update(key, change)
    }

    /// The rows that changed since the last commit, in the order of their first change.
    pub(crate) fn changed(&self) -> Vec<ChangedRow<K, V>>
    where
        K: Clone,
    {
        let rows = self.inner.rows.borrow();
        let changes = rows.changes().map(|(key, before, now, timestamp)| ChangedRow {
            key: key.clone(),
            before: before.cloned(),
            now: now.cloned(),
            timestamp,
        });
        changes.collect()
    }

    /// Sets or deletes what is committed already, as [`StateStore::restore`].
    pub(crate) fn restore_row(&self, key: K, value: Option<V>, timestamp: Timestamp) {
        let heap = value.as_ref().map_or(0, |value| self.inner.heap(&key, value));
        self.inner.rows.borrow_mut().restore_soon(key, value, timestamp, heap);
    }

    /// Looks at each row, in no particular but a repeatable order. `look` must not change this store.
    pub fn for_each(&self, mut look: impl FnMut(&K, &V, Timestamp)) {
        for (key, value, timestamp) in self.inner.rows.borrow().iter() {
            if self.inner.is_alive(timestamp) {
                look(key, value, timestamp);
            }
        }
    }
}

impl<K, V> KeyValueStore<K, V> {
    /// How its keys and values are written.
    pub(crate) fn serdes(&self) -> (Arc<dyn Serde<K>>, Arc<dyn Serde<V>>) {
        (self.inner.store.key.clone(), self.inner.store.value.clone())
    }
}

impl<K, V> Clone for KeyValueStore<K, V> {
    fn clone(&self) -> Self {
        KeyValueStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K, V> Connect for KeyValueStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}
