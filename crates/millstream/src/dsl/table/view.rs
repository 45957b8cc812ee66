use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use crate::record::Timestamp;
use crate::serde::Serde;
use crate::state::{Connect, KeyValueStore, StoreId, VersionedStore};

/// Where a table's rows are.
pub(in crate::dsl) enum View<K, V> {
    /// In a store of its own.
    Store(KeyValueStore<K, V>),
    /// In a store that remembers what its values were.
    Versioned(VersionedStore<K, V>),
    /// In the stores of other tables: worked out whenever a row is asked for.
    Derived { get: Rc<Get<K, V>>, stores: Vec<StoreId> },
    /// In a store by key and window.
    Windowed,
    /// Nowhere: its changes pass without the values before.
    NotKept,
}

/// Works out a key's row, as of a time where there are versions.
type Get<K, V> = dyn Fn(&K, Timestamp) -> Option<(V, Timestamp)>;

impl<K: Hash + Eq + 'static, V: Clone + 'static> View<K, V> {
    /// Looks at a key's row and its time. `look` must not change the stores.
    pub(in crate::dsl) fn with<R>(&self, key: &K, look: impl FnOnce(Option<(&V, Timestamp)>) -> R) -> R {
        self.with_as_of(key, Timestamp::MAX, look)
    }

    /// As [`View::with`], but where the table remembers versions, the row as it was at that time.
    pub(in crate::dsl) fn with_as_of<R>(
        &self,
        key: &K,
        as_of: Timestamp,
        look: impl FnOnce(Option<(&V, Timestamp)>) -> R,
    ) -> R {
        match self {
            View::Store(store) => store.with(key, look),
            View::Versioned(store) => store.with_version_as_of(key, as_of, look),
            View::Derived { get, .. } => look(get(key, as_of).as_ref().map(|(value, timestamp)| (value, *timestamp))),
            View::Windowed | View::NotKept => look(None),
        }
    }

    /// The view of what `f` makes of each row; `None` leaves it out. Times stay.
    pub(super) fn derive<W: 'static>(&self, f: impl Fn(&K, &V) -> Option<W> + 'static) -> View<K, W> {
        match self {
            View::Store(_) | View::Versioned(_) | View::Derived { .. } => {
                let rows = self.clone();
                let get = move |key: &K, as_of: Timestamp| {
                    rows.with_as_of(key, as_of, |row| row.and_then(|(v, time)| Some((f(key, v)?, time))))
                };
                View::Derived { get: Rc::new(get), stores: self.stores() }
            }
            View::Windowed => View::Windowed,
            View::NotKept => View::NotKept,
        }
    }
}

impl<K, V> View<K, V> {
    /// The stores that hold the rows.
    pub(in crate::dsl) fn stores(&self) -> Vec<StoreId> {
        match self {
            View::Store(store) => vec![store.store_id()],
            View::Versioned(store) => vec![store.store_id()],
            View::Derived { stores, .. } => stores.clone(),
            View::Windowed | View::NotKept => Vec::new(),
        }
    }

    /// Whether changes come with the value before.
    pub(super) fn sends_old(&self) -> bool {
        !matches!(self, View::NotKept)
    }
}

impl<K, V> Clone for View<K, V> {
    fn clone(&self) -> Self {
        match self {
            View::Store(store) => View::Store(store.clone()),
            View::Versioned(store) => View::Versioned(store.clone()),
            View::Derived { get, stores } => View::Derived { get: get.clone(), stores: stores.clone() },
            View::Windowed => View::Windowed,
            View::NotKept => View::NotKept,
        }
    }
}

/// How a table's keys and values are written, as far as it is known: by its own store, or by the table it is made of.
pub(in crate::dsl) struct Serdes<K, V> {
    pub(in crate::dsl) key: Option<Arc<dyn Serde<K>>>,
    pub(in crate::dsl) value: Option<Arc<dyn Serde<V>>>,
}

impl<K, V> Default for Serdes<K, V> {
    fn default() -> Self {
        Serdes { key: None, value: None }
    }
}

impl<K, V> Clone for Serdes<K, V> {
    fn clone(&self) -> Self {
        Serdes { key: self.key.clone(), value: self.value.clone() }
    }
}
