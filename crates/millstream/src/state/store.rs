use std::sync::Arc;

use crate::serde::Serde;

/// A store's name, and how its keys and values are written to the changelog.
///
/// The name is the changelog's: `<application_id>-<name>-changelog`. Choose it once; a new name is a new, empty store.
pub struct Store<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) key: Arc<dyn Serde<K>>,
    pub(crate) value: Arc<dyn Serde<V>>,
}

impl<K, V> Store<K, V> {
    /// The store `name`, its keys written by `key` and its values by `value`.
    pub fn new(name: impl Into<Arc<str>>, key: impl Serde<K>, value: impl Serde<V>) -> Self {
        Store { name: name.into(), key: Arc::new(key), value: Arc::new(value) }
    }
}
