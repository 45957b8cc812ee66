use std::sync::Arc;

use super::Store;
use crate::serde::{Serde, comes_back};

/// Tells the null values of a store. A row of one would be written as a deletion, and not come back: it is no row, as in Kafka
/// Streams.
pub(crate) struct NullValues<V>(Option<Arc<dyn Serde<V>>>);

impl<V: 'static> NullValues<V> {
    pub(super) fn of<K>(store: &Store<K, V>) -> Self {
        let serde = &store.value;
        NullValues((serde.decode_null().is_ok() && !comes_back(&**serde)).then(|| serde.clone()))
    }

    /// Leaves a value out that is null.
    #[inline]
    pub(super) fn leave_out(&self, value: &mut Option<V>) {
        if let Some(serde) = &self.0
            && value.as_ref().is_some_and(|value| serde.is_null(value))
        {
            *value = None;
        }
    }
}
