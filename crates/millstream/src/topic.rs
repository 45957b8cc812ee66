//! Topics: a name with the serdes of its keys and values, declared once.

use std::sync::Arc;

use crate::serde::Serde;

/// A topic's name, and how its keys and values are written.
pub struct Topic<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) key: Arc<dyn Serde<K>>,
    pub(crate) value: Arc<dyn Serde<V>>,
}

impl<K, V> Topic<K, V> {
    /// The topic `name`, its keys written by `key` and its values by `value`.
    pub fn new(name: impl Into<Arc<str>>, key: impl Serde<K>, value: impl Serde<V>) -> Self {
        Topic { name: name.into(), key: Arc::new(key), value: Arc::new(value) }
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its keys are written.
    pub fn key_serde(&self) -> &dyn Serde<K> {
        &*self.key
    }

    /// How its values are written.
    pub fn value_serde(&self) -> &dyn Serde<V> {
        &*self.value
    }
}

impl<K, V> Clone for Topic<K, V> {
    fn clone(&self) -> Self {
        Topic { name: self.name.clone(), key: self.key.clone(), value: self.value.clone() }
    }
}
