use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use super::histories::Histories;
use super::memory::Measure;
use super::{Connect, FlushError, SnapshotCursor, StateStore, Store, StoreId, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{SerdeError, append_key, encode};

/// A typed map that remembers what its values were: each put is a version, valid from its timestamp to that of the next one.
///
/// Versions come in any order. One that is older than the largest timestamp put minus the history retention is dropped; and
/// nothing is known of times before that, except for latest versions, which never expire. The handle is cheap to clone.
///
/// In the changelog a row is a version, not a key: its key is the key's bytes and the version's timestamp in ms as eight bytes
/// big-endian, its value a byte 1 and the value's bytes, or a byte 0 where there is no value from then on.
pub struct VersionedStore<K, V> {
    id: StoreId,
    inner: Rc<VersionedRows<K, V>>,
}

/// The store itself, shared by its handles and its task.
pub(crate) struct VersionedRows<K, V> {
    store: Store<K, V>,
    histories: RefCell<Histories<K, V>>,
    measure: Measure<K, V>,
}

/// A value with the time for which it was valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedRecord<V> {
    /// The value.
    pub value: V,
    /// From when on it was valid (ms).
    pub timestamp: Timestamp,
    /// Until when, that not included (ms); `None` for the latest one.
    pub valid_to: Option<Timestamp>,
}

/// What became of a version that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionedPut {
    /// It is the key's latest.
    Latest,
    /// There is a later one.
    Superseded {
        /// The timestamp of the next one (ms).
        valid_to: Timestamp,
    },
    /// It is older than the history retention, and was dropped.
    TooLate,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> VersionedStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, history_retention: Duration) -> Self {
        let retention_ms = i64::try_from(history_retention.as_millis()).unwrap_or(i64::MAX);
        let histories = RefCell::new(Histories::new(retention_ms));
        let measure = Measure::new(store.key.clone(), store.value.clone());
        VersionedStore { id, inner: Rc::new(VersionedRows { store, histories, measure }) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    /// Sets what the key's value is from `timestamp` (ms) on, up to the next version; `None` for that there is none.
    pub fn put(&self, key: K, value: Option<V>, timestamp: Timestamp) -> VersionedPut {
        self.inner.histories.borrow_mut().put(key, value, timestamp)
    }

    /// The key's latest value, `None` where it says that there is none.
    pub fn get(&self, key: &K) -> Option<VersionedRecord<V>> {
        let histories = self.inner.histories.borrow();
        let latest = histories.latest(key)?;
        Some(VersionedRecord { value: latest.value.clone()?, timestamp: latest.timestamp, valid_to: None })
    }

    /// The key's value as it was at `timestamp` (ms).
    pub fn get_as_of(&self, key: &K, timestamp: Timestamp) -> Option<VersionedRecord<V>> {
        let histories = self.inner.histories.borrow();
        let (version, valid_to) = histories.as_of(key, timestamp)?;
        Some(VersionedRecord { value: version.value.clone()?, timestamp: version.timestamp, valid_to })
    }

    /// Looks at the key's value as it was at `timestamp` (ms), without a clone. `look` must not change this store.
    pub fn with_as_of<R>(&self, key: &K, timestamp: Timestamp, look: impl FnOnce(Option<&V>) -> R) -> R {
        let histories = self.inner.histories.borrow();
        look(histories.as_of(key, timestamp).and_then(|(version, _)| version.value.as_ref()))
    }
}

impl<K: Hash + Eq + 'static, V: 'static> VersionedStore<K, V> {
    /// As [`VersionedStore::with_as_of`], with the time of that version.
    pub(crate) fn with_version_as_of<R>(
        &self,
        key: &K,
        timestamp: Timestamp,
        look: impl FnOnce(Option<(&V, Timestamp)>) -> R,
    ) -> R {
        let histories = self.inner.histories.borrow();
        let version = histories.as_of(key, timestamp);
        look(version.and_then(|(version, _)| version.value.as_ref().map(|value| (value, version.timestamp))))
    }
}

impl<K, V> Clone for VersionedStore<K, V> {
    fn clone(&self) -> Self {
        VersionedStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K, V> Connect for VersionedStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}

impl<K: 'static, V: 'static> VersionedRows<K, V> {
    fn encode_key(&self, key: &K, timestamp: Timestamp, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        append_key(&*self.store.key, key, out)?;
        out.extend_from_slice(&timestamp.to_be_bytes());
        Ok(())
    }

    /// What a version's value has on the heap; its key, which others have too, counts once, on average.
    fn heap(&self, key: &K, value: Option<&V>) -> usize {
        self.measure.key(key);
        value.map_or(0, |value| self.measure.value(value))
    }

    fn encode_version(&self, value: Option<&V>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let value = match value {
            Some(value) => encode(&*self.store.value, value, scratch)?,
            None => None,
        };
        out.clear();
        out.push(u8::from(value.is_some()));
        out.extend_from_slice(value.unwrap_or_default());
        Ok(())
    }
}

impl<K: Hash + Eq + Clone + 'static, V: 'static> StateStore for VersionedRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.check_writable()
    }

    /// A row for each version: with one for each key, as Kafka Streams has it, compaction would leave the latest one alone, and
    /// a restore would lose the history. (Kafka Streams therefore keeps compaction away for as long as the retention, by the
    /// brokers' clock, which is too short where history is replayed.)
    fn flush(&self, _stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes, mut tagged) = (Vec::new(), Vec::new(), Vec::new());
        self.histories.borrow().changed(|key, timestamp, version| {
            self.encode_key(key, timestamp, &mut key_bytes)?;
            let Some(version) = version else {
                return Ok(write(&key_bytes, None, timestamp)?);
            };
            self.encode_version(version.value.as_ref(), &mut value_bytes, &mut tagged)?;
            Ok(write(&key_bytes, Some(&tagged), timestamp)?)
        })
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.histories.borrow_mut().commit(|key, value| self.heap(key, value));
    }

    fn rollback(&self) {
        self.histories.borrow_mut().rollback();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes, mut tagged) = (Vec::new(), Vec::new(), Vec::new());
        self.histories.borrow().committed(cursor, rows_max, |key, timestamp, value| {
            self.encode_key(key, timestamp, &mut key_bytes)?;
            self.encode_version(value, &mut value_bytes, &mut tagged)?;
            Ok(write(&key_bytes, Some(&tagged), timestamp)?)
        })
    }

    fn size(&self) -> StoreSize {
        self.histories.borrow().size(self.measure.average_key())
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let Some((key, timestamp)) = record.key.unwrap_or_default().split_last_chunk::<8>() else {
            return Err(SerdeError::new("a versioned store's key has at least 8 bytes: a timestamp"));
        };
        let value = match record.value {
            None => None,
            Some([0]) => Some(None),
            Some([1, value @ ..]) => Some(Some(self.store.value.decode(value)?)),
            Some(_) => return Err(SerdeError::new("a versioned store's value begins with a byte 1, or is a byte 0")),
        };
        let key = self.store.key.decode(key)?;
        let heap = self.heap(&key, value.as_ref().and_then(Option::as_ref));
        let heap = u32::try_from(heap).unwrap_or(u32::MAX);
        self.histories.borrow_mut().restore(key, i64::from_be_bytes(*timestamp), value, heap);
        Ok(())
    }
}
