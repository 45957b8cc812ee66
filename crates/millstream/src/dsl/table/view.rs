use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use crate::record::Timestamp;
use crate::serde::Serde;
use crate::state::{Connect, KeyValueStore, StoreId};

/// Where a table's rows are.
pub(in crate::dsl) enum View<K, V> {
    /// In a store of its own.
    Store(KeyValueStore<K, V>),
    /// In the stores of other tables: worked out whenever a row is asked for.
    Derived { get: Rc<Get<K, V>>, stores: Vec<StoreId> },
    /// In a store by key and window.
    Windowed,
    /// Nowhere: its changes pass without the values before.
    NotKept,
}

type Get<K, V> = dyn Fn(&K) -> Option<(V, Timestamp)>;

impl<K: Hash + Eq + 'static, V: Clone + 'static> View<K, V> {
    /// Looks at a key's row and its time. `look` must not change the stores.
    pub(in crate::dsl) fn with<R>(&self, key: &K, look: impl FnOnce(Option<(&V, Timestamp)>) -> R) -> R {
        match self {
            View::Store(store) => store.with(key, look),
            View::Derived { get, .. } => look(get(key).as_ref().map(|(value, timestamp)| (value, *timestamp))),
            View::Windowed | View::NotKept => look(None),
        }
    }

    /// The view of what `f` makes of each row; `None` leaves it out. Times stay.
    pub(super) fn derive<W: 'static>(&self, f: impl Fn(&K, &V) -> Option<W> + 'static) -> View<K, W> {
        match self {
            View::Store(_) | View::Derived { .. } => {
                let rows = self.clone();
                let get = move |key: &K| rows.with(key, |row| row.and_then(|(v, time)| Some((f(key, v)?, time))));
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
