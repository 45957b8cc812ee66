use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::expiry::TimeToLive;
use super::rows::{ChangedRow, Rows};
use super::write::RowWriter;
use super::{Connect, FlushError, StateStore, Store, StoreId, StoreOptions, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{Serde, SerdeError};
use crate::time::Clock;

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
    time_to_live: Option<TimeToLive<K>>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> KeyValueStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, clock: &Clock) -> Self {
        let time_to_live = TimeToLive::of(&store, clock);
        KeyValueStore { id, inner: Rc::new(KeyValueRows { store, rows: RefCell::default(), time_to_live }) }
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
        look(self.inner.rows.borrow().get(key).filter(|(_, timestamp)| self.inner.is_alive(*timestamp)))
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
        let mut rows = self.inner.rows.borrow_mut();
        match &self.inner.time_to_live {
            None => rows.update(key, change),
            Some(limit) => rows.update(key, |value, timestamp| limit.change(value, timestamp, change)),
        }
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

impl<K, V> KeyValueRows<K, V> {
    fn is_alive(&self, timestamp: Timestamp) -> bool {
        self.time_to_live.as_ref().is_none_or(|limit| limit.is_alive(timestamp))
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

impl<K: Hash + Eq + Clone + 'static, V: 'static> StateStore for KeyValueRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let rows = self.rows.borrow();
        let mut writer = RowWriter::new(&self.store, write);
        let Some(limit) = &self.time_to_live else {
            return rows.changed().try_for_each(|(key, value, timestamp)| writer.write(key, value, timestamp));
        };
        for (key, value, timestamp) in rows.changed() {
            writer.write(key, value.filter(|_| limit.is_alive_at(timestamp, stream_time)), timestamp)?;
        }
        limit.for_each_due(stream_time, |key| match rows.get(key) {
            Some((_, timestamp)) if !limit.is_alive_at(timestamp, stream_time) => writer.write(key, None, timestamp),
            _ => Ok(()),
        })
    }

    fn commit(&self, stream_time: Timestamp) {
        let mut rows = self.rows.borrow_mut();
        let Some(limit) = &self.time_to_live else {
            return rows.commit();
        };
        for (key, value, timestamp) in rows.changed() {
            if value.is_some() {
                limit.note(key, timestamp);
            }
        }
        rows.commit();
        for key in limit.take_due(stream_time) {
            match rows.get(&key).map(|(_, timestamp)| timestamp) {
                Some(timestamp) if limit.is_alive_at(timestamp, stream_time) => limit.note(&key, timestamp),
                Some(timestamp) => rows.restore(key, None, timestamp),
                None => {}
            }
        }
    }

    fn rollback(&self) {
        self.rows.borrow_mut().rollback();
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let key = self.store.key.decode(record.key.unwrap_or_default())?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        if let (Some(limit), Some(_)) = (&self.time_to_live, &value) {
            limit.note(&key, record.timestamp);
        }
        self.rows.borrow_mut().restore(key, value, record.timestamp);
        Ok(())
    }
}
