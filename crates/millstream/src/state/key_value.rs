use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::rows::{ChangedRow, Rows};
use super::{Connect, FlushError, StateStore, Store, StoreId, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{Serde, SerdeError, encode};

/// A typed map with a changelog: one value a key, with the time of its last change.
///
/// The handle is cheap to clone; a processor keeps one.
pub struct KeyValueStore<K, V> {
    id: StoreId,
    inner: Rc<KeyValueRows<K, V>>,
}

/// The store itself, shared by its handles and its task.
pub(crate) struct KeyValueRows<K, V> {
    store: Store<K, V>,
    rows: RefCell<Rows<K, V>>,
}

impl<K: Hash + Eq + 'static, V: Clone + 'static> KeyValueStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>) -> Self {
        KeyValueStore { id, inner: Rc::new(KeyValueRows { store, rows: RefCell::default() }) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    /// A clone of the key's value.
    pub fn get(&self, key: &K) -> Option<V> {
        self.with(key, |row| row.map(|(value, _)| value.clone()))
    }

    /// Looks at the key's value and the time of its last change, without a clone. `look` must not change this store.
    pub fn with<R>(&self, key: &K, look: impl FnOnce(Option<(&V, Timestamp)>) -> R) -> R {
        look(self.inner.rows.borrow().get(key))
    }

    /// Sets the key's value as of `timestamp` (ms).
    pub fn put(&self, key: K, value: V, timestamp: Timestamp) {
        self.inner.rows.borrow_mut().put(key, Some(value), timestamp);
    }

    /// Deletes the key as of `timestamp` (ms): a tombstone in the changelog.
    pub fn delete(&self, key: K, timestamp: Timestamp) {
        self.inner.rows.borrow_mut().put(key, None, timestamp);
    }

    /// Changes the key's value, `None` where there is none, and its time in place. `change` must not use this store.
    pub fn update<R>(&self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
    {
        self.inner.rows.borrow_mut().update(key, change)
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

    /// Sets or deletes what is committed already.
    pub(crate) fn restore_row(&self, key: K, value: Option<V>, timestamp: Timestamp) {
        self.inner.rows.borrow_mut().restore(key, value, timestamp);
    }

    /// Looks at each row, in no particular but a repeatable order. `look` must not change this store.
    pub fn for_each(&self, mut look: impl FnMut(&K, &V, Timestamp)) {
        for (key, value, timestamp) in self.inner.rows.borrow().iter() {
            look(key, value, timestamp);
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

impl<K: Hash + Eq + 'static, V: 'static> StateStore for KeyValueRows<K, V> {
    fn flush(&self, _stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        for (key, value, timestamp) in self.rows.borrow().changed() {
            let key = encode(&*self.store.key, key, &mut key_bytes)?.unwrap_or_default();
            let value = match value {
                Some(value) => encode(&*self.store.value, value, &mut value_bytes)?,
                None => None,
            };
            write(key, value, timestamp)?;
        }
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.rows.borrow_mut().commit();
    }

    fn rollback(&self) {
        self.rows.borrow_mut().rollback();
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let key = self.store.key.decode(record.key.unwrap_or_default())?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        self.rows.borrow_mut().restore(key, value, record.timestamp);
        Ok(())
    }
}
