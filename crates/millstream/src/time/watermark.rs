use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::record::Timestamp;

/// What the records of a source say about the time that it has come to: that nothing older is still to come.
pub struct Watermark<K, V>(pub(crate) Strategy<K, V>);

pub(crate) enum Strategy<K, V> {
    /// So many ms behind the largest timestamp.
    Behind(i64),
    Field(Arc<FromField<K, V>>),
}

type FromField<K, V> = dyn Fn(&K, &V) -> Option<Timestamp> + Send + Sync;

impl<K, V> Clone for Watermark<K, V> {
    fn clone(&self) -> Self {
        Watermark(match &self.0 {
            Strategy::Behind(ms) => Strategy::Behind(*ms),
            Strategy::Field(field) => Strategy::Field(field.clone()),
        })
    }
}

impl<K, V> Watermark<K, V> {
    /// The largest timestamp seen: right for records that come in order. The default, and Kafka Streams' stream time.
    pub fn monotonic() -> Self {
        Watermark(Strategy::Behind(0))
    }

    /// The largest timestamp seen minus `bound` (whole ms): for records that come up to `bound` late.
    pub fn bounded_out_of_orderness(bound: Duration) -> Self {
        Watermark(Strategy::Behind(i64::try_from(bound.as_millis()).unwrap_or(i64::MAX)))
    }

    /// What a field of some records says, in ms: for sources that write watermarks themselves. `None` says nothing.
    pub fn from_field(field: impl Fn(&K, &V) -> Option<Timestamp> + Send + Sync + 'static) -> Self {
        Watermark(Strategy::Field(Arc::new(field)))
    }

    /// What a record says; `MIN` if nothing. A deletion (no value) has no fields.
    pub(crate) fn of(&self, key: &K, value: Option<&V>, timestamp: Timestamp) -> Timestamp {
        match (&self.0, value) {
            (Strategy::Behind(ms), _) => timestamp.saturating_sub(*ms),
            (Strategy::Field(field), Some(value)) => field(key, value).unwrap_or(Timestamp::MIN),
            (Strategy::Field(_), None) => Timestamp::MIN,
        }
    }
}

impl<K, V> fmt::Debug for Watermark<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Strategy::Behind(ms) => write!(f, "Watermark({ms} ms behind)"),
            Strategy::Field(_) => write!(f, "Watermark(from a field)"),
        }
    }
}
