use std::hash::Hash;
use std::ops::RangeBounds;
use std::rc::Rc;

use super::kept::Kept;
use super::ordered_rows::OrderedRows;
use super::{Connect, StateStore, Store, StoreId};
use crate::record::Timestamp;
use crate::time::Clock;

/// A typed map in the order of its keys, with a changelog: one value a key, with the time of its last change.
///
/// Keys are in the order of `K`, not in that of their bytes. The handle is cheap to clone; a processor keeps one.
pub struct OrderedStore<K, V> {
    id: StoreId,
    inner: Rc<Kept<OrderedRows<K, V>, K, V>>,
}

impl<K: Ord + Hash + Clone + 'static, V: Clone + 'static> OrderedStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, clock: &Clock) -> Self {
        OrderedStore { id, inner: Rc::new(Kept::new(store, clock)) }
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
    pub fn update<R>(&self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R {
        self.inner.update(key, change)
    }

    /// Looks at each row whose key is in the range, in order: `look(key, value, timestamp)`. `look` must not change this
    /// store. A range that ends before it begins has no rows.
    pub fn range(&self, range: impl RangeBounds<K>, mut look: impl FnMut(&K, &V, Timestamp)) {
        self.find(range, |key, value, timestamp| {
            look(key, value, timestamp);
            None::<()>
        });
    }

    /// As [`OrderedStore::range`], from the last row to the first.
    pub fn reverse_range(&self, range: impl RangeBounds<K>, mut look: impl FnMut(&K, &V, Timestamp)) {
        let rows = self.inner.rows.borrow();
        for (key, value, timestamp) in rows.range((range.start_bound(), range.end_bound())).rev() {
            if self.inner.is_alive(timestamp) {
                look(key, value, timestamp);
            }
        }
    }

    /// Looks at the rows whose keys are in the range, in order, until `look` returns something: that. `look` must not change
    /// this store.
    pub fn find<R>(
        &self,
        range: impl RangeBounds<K>,
        mut look: impl FnMut(&K, &V, Timestamp) -> Option<R>,
    ) -> Option<R> {
        let rows = self.inner.rows.borrow();
        rows.range((range.start_bound(), range.end_bound()))
            .filter(|(_, _, timestamp)| self.inner.is_alive(*timestamp))
            .find_map(|(key, value, timestamp)| look(key, value, timestamp))
    }

    /// Looks at each row, in the order of the keys. `look` must not change this store.
    pub fn for_each(&self, look: impl FnMut(&K, &V, Timestamp)) {
        self.range(.., look);
    }
}

impl<V: Clone + 'static> OrderedStore<String, V> {
    /// Looks at each row whose key begins with `prefix`, in order. `look` must not change this store.
    pub fn prefix(&self, prefix: &str, mut look: impl FnMut(&String, &V, Timestamp)) {
        let rows = self.inner.rows.borrow();
        for (key, value, timestamp) in rows.from(prefix).take_while(|(key, _, _)| key.starts_with(prefix)) {
            if self.inner.is_alive(timestamp) {
                look(key, value, timestamp);
            }
        }
    }
}

impl<V: Clone + 'static> OrderedStore<Vec<u8>, V> {
    /// Looks at each row whose key begins with `prefix`, in order. `look` must not change this store.
    pub fn prefix(&self, prefix: &[u8], mut look: impl FnMut(&Vec<u8>, &V, Timestamp)) {
        let rows = self.inner.rows.borrow();
        for (key, value, timestamp) in rows.from(prefix).take_while(|(key, _, _)| key.starts_with(prefix)) {
            if self.inner.is_alive(timestamp) {
                look(key, value, timestamp);
            }
        }
    }
}

impl<K, V> Clone for OrderedStore<K, V> {
    fn clone(&self) -> Self {
        OrderedStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K, V> Connect for OrderedStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}
