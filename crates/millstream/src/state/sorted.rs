use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;

use super::memory::{Measure, b_tree};
use super::{Connect, FlushError, SnapshotCursor, StateStore, Store, StoreId, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{Bytes, Serde, SerdeError, encode_row};

/// A typed map in the order of its keys, with a changelog, for operators that read ranges of it.
pub(crate) struct SortedStore<K, V> {
    id: StoreId,
    inner: Rc<SortedRows<K, V>>,
}

struct SortedRows<K, V> {
    codec: RowCodec<K, V>,
    rows: RefCell<BTreeMap<K, (V, Timestamp)>>,
    /// For each key that changed since the last commit, the row before and the time of its last change.
    undo: RefCell<BTreeMap<K, Undo<V>>>,
    measure: Measure<Vec<u8>, V>,
}

/// How rows are written.
pub(crate) struct RowCodec<K, V> {
    pub(crate) encode_key: Box<EncodeKey<K>>,
    pub(crate) decode_key: Box<DecodeKey<K>>,
    pub(crate) value: Arc<dyn Serde<V>>,
}

type EncodeKey<K> = dyn Fn(&K, &mut Vec<u8>) -> Result<(), SerdeError>;
type DecodeKey<K> = dyn Fn(&[u8]) -> Result<K, SerdeError>;

impl<K: 'static, V> From<Store<K, V>> for RowCodec<K, V> {
    fn from(store: Store<K, V>) -> Self {
        let (encode, decode) = (store.key.clone(), store.key);
        RowCodec {
            encode_key: Box::new(move |key, out| encode.encode(key, out)),
            decode_key: Box::new(move |bytes| decode.decode(bytes)),
            value: store.value,
        }
    }
}

struct Undo<V> {
    before: Option<(V, Timestamp)>,
    changed_at: Timestamp,
}

impl<K: Ord + Clone + 'static, V: Clone + 'static> SortedStore<K, V> {
    pub(crate) fn new(id: StoreId, codec: RowCodec<K, V>) -> Self {
        let (rows, undo) = (RefCell::default(), RefCell::default());
        let measure = Measure::new(Arc::new(Bytes), codec.value.clone());
        SortedStore { id, inner: Rc::new(SortedRows { codec, rows, undo, measure }) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.inner.rows.borrow().get(key).map(|(value, _)| value.clone())
    }

    /// Sets or, with `None`, deletes.
    pub(crate) fn put(&self, key: K, value: Option<V>, timestamp: Timestamp) {
        let (mut rows, mut undo) = (self.inner.rows.borrow_mut(), self.inner.undo.borrow_mut());
        // Both places are found before anything changes: an order that panics leaves all as it was.
        let (row, undo) = (rows.entry(key.clone()), undo.entry(key));
        let before = match (row, value) {
            (Entry::Occupied(mut row), Some(value)) => Some(row.insert((value, timestamp))),
            (Entry::Occupied(row), None) => Some(row.remove()),
            (Entry::Vacant(row), Some(value)) => {
                row.insert((value, timestamp));
                None
            }
            (Entry::Vacant(_), None) => None,
        };
        undo.or_insert(Undo { before, changed_at: timestamp }).changed_at = timestamp;
    }

    /// Looks at the rows from `start` on, in order, until `look` says `false`. It must not change this store.
    pub(crate) fn for_each_from<E>(&self, start: &K, mut look: impl FnMut(&K, &V) -> Result<bool, E>) -> Result<(), E> {
        let rows = self.inner.rows.borrow();
        for (key, (value, _)) in rows.range((Bound::Included(start), Bound::Unbounded)) {
            if !look(key, value)? {
                break;
            }
        }
        Ok(())
    }
}

impl<K, V> Clone for SortedStore<K, V> {
    fn clone(&self) -> Self {
        SortedStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K, V> Connect for SortedStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}

impl<K, V: 'static> SortedRows<K, V> {
    /// Notes what a row has on the heap, where it has something: of its key about what it is encoded.
    fn measure(&self, key: &K, value: &V) {
        if std::mem::needs_drop::<K>() {
            let mut bytes = Vec::new();
            if (self.codec.encode_key)(key, &mut bytes).is_ok() {
                bytes.shrink_to_fit();
                self.measure.key(&bytes);
            }
        }
        self.measure.value(value);
    }
}

impl<K: Ord + Clone + 'static, V: 'static> StateStore for SortedRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        None
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.codec.value.check_writable()
    }

    fn flush(&self, _stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let rows = self.rows.borrow();
        for (key, undo) in self.undo.borrow().iter() {
            let row = rows.get(key);
            // A row made and deleted within one commit was never in the changelog.
            if row.is_none() && undo.before.is_none() {
                continue;
            }
            key_bytes.clear();
            (self.codec.encode_key)(key, &mut key_bytes)?;
            let value = match row {
                Some((value, _)) => encode_row(&*self.codec.value, value, &mut value_bytes)?,
                None => None,
            };
            write(&key_bytes, value, undo.changed_at)?;
        }
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        let rows = self.rows.borrow();
        for key in std::mem::take(&mut *self.undo.borrow_mut()).into_keys() {
            if let Some((value, _)) = rows.get(&key) {
                self.measure(&key, value);
            }
        }
    }

    fn rollback(&self) {
        let mut rows = self.rows.borrow_mut();
        for (key, Undo { before, .. }) in std::mem::take(&mut *self.undo.borrow_mut()) {
            match before {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let (rows, undo) = (self.rows.borrow(), self.undo.borrow());
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let mut hand_out = |key: &K, (value, timestamp): &(V, Timestamp)| {
            key_bytes.clear();
            (self.codec.encode_key)(key, &mut key_bytes)?;
            let value = encode_row(&*self.codec.value, value, &mut value_bytes)?;
            Ok::<_, FlushError>(write(&key_bytes, value, *timestamp)?)
        };
        let after = cursor.place::<K>().map_or(Bound::Unbounded, Bound::Excluded);
        let mut next_rows = rows.range((after, Bound::Unbounded));
        let mut last = None;
        for (key, row) in next_rows.by_ref().take(rows_max.max(1)) {
            if !undo.contains_key(key) {
                hand_out(key, row)?;
            }
            last = Some(key);
        }
        let last = next_rows.next().and(last);
        // What is deleted, but not committed, lies here alone.
        for (key, undo) in undo.range((after, last.map_or(Bound::Unbounded, Bound::Included))) {
            if let Some(before) = &undo.before {
                hand_out(key, before)?;
            }
        }
        let last = last.cloned();
        cursor.go_on(last);
        Ok(())
    }

    fn size(&self) -> StoreSize {
        let (rows, undo) = (self.rows.borrow().len(), self.undo.borrow().len());
        let heap = (rows + undo) as u64 * (self.measure.average_key() + self.measure.average_value());
        let bytes = b_tree::<(K, (V, Timestamp))>(rows) + b_tree::<(K, Undo<V>)>(undo) + heap;
        StoreSize { rows: rows as u64, bytes }
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let key = (self.codec.decode_key)(record.key.unwrap_or_default())?;
        let mut rows = self.rows.borrow_mut();
        match record.value {
            Some(bytes) => {
                let value = self.codec.value.decode(bytes)?;
                self.measure(&key, &value);
                rows.insert(key, (value, record.timestamp))
            }
            None => rows.remove(&key),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::SortedStore;
    use crate::broker::Message;
    use crate::record::{Headers, Timestamp};
    use crate::serde::{Be64, Utf8};
    use crate::state::{StateStore, Store, StoreId};

    type Row = (Vec<u8>, Option<Vec<u8>>, Timestamp);

    fn store() -> SortedStore<String, i64> {
        SortedStore::new(StoreId(0), Store::new("sorted", Utf8, Be64).into())
    }

    fn put(store: &SortedStore<String, i64>, key: &str, value: Option<i64>, timestamp: Timestamp) {
        store.put(key.to_string(), value, timestamp);
    }

    fn rows(store: &SortedStore<String, i64>, from: &str) -> Vec<(String, i64)> {
        let mut rows = Vec::new();
        let looked: Result<(), Infallible> = store.for_each_from(&from.to_string(), |key, value| {
            rows.push((key.clone(), *value));
            Ok(true)
        });
        looked.unwrap();
        rows
    }

    fn flush(store: &dyn StateStore) -> Vec<Row> {
        let mut written = Vec::new();
        let flushed = store.flush(0, &mut |key, value, timestamp| {
            written.push((key.to_vec(), value.map(<[u8]>::to_vec), timestamp));
            Ok(())
        });
        flushed.unwrap();
        written
    }

    #[test]
    fn a_rollback_puts_back_what_a_commit_keeps() {
        let store = store();
        put(&store, "b", Some(2), 0);
        put(&store, "a", Some(1), 0);
        store.inner.commit(0);
        put(&store, "a", Some(10), 1);
        put(&store, "a", Some(11), 2);
        put(&store, "b", None, 1);
        put(&store, "c", Some(3), 1);
        assert_eq!(rows(&store, ""), [("a".to_string(), 11), ("c".to_string(), 3)]);
        store.inner.rollback();
        assert_eq!(rows(&store, ""), [("a".to_string(), 1), ("b".to_string(), 2)]);
        assert_eq!(rows(&store, "aa"), [("b".to_string(), 2)]);
        assert!(flush(&*store.inner).is_empty());
    }

    #[test]
    fn a_changelog_restores_what_was_there() {
        let first = store();
        put(&first, "a", Some(1), 1);
        put(&first, "gone", Some(1), 1);
        let mut changelog = flush(&*first.inner);
        first.inner.commit(0);
        put(&first, "a", Some(2), 5);
        put(&first, "gone", None, 6);
        put(&first, "never", Some(1), 6);
        put(&first, "never", None, 7);
        let second = flush(&*first.inner);
        let expected = [(b"a".to_vec(), Some(2_i64.to_be_bytes().to_vec()), 5), (b"gone".to_vec(), None, 6)];
        assert_eq!(second, expected);
        changelog.extend(second);
        let restored = store();
        for (key, value, timestamp) in &changelog {
            let (key, value, headers) = (Some(key.as_slice()), value.as_deref(), Headers::default());
            restored.inner.restore(&Message { offset: 0, timestamp: *timestamp, key, value, headers }).unwrap();
        }
        assert_eq!(rows(&restored, ""), rows(&first, ""));
    }
}
