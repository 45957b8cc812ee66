use std::cell::RefCell;
use std::hash::Hash;

use super::expiry::TimeToLive;
use super::memory::Measure;
use super::null::NullValues;
use super::snapshot::Look;
use super::write::RowWriter;
use super::{FlushError, SnapshotCursor, StateStore, Store, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::SerdeError;
use crate::time::Clock;

/// Rows by key with an undo log, in whatever order they lie: [`Rows`](super::rows::Rows) by hash,
/// [`OrderedRows`](super::ordered_rows::OrderedRows) in the order of their keys.
pub(crate) trait KeyedRows<K, V>: Default {
    fn get(&self, key: &K) -> Option<(&V, Timestamp)>;

    /// Sets or, with `None`, deletes.
    fn put(&mut self, key: K, value: Option<V>, timestamp: Timestamp);

    /// Changes a value, `None` where there is none, and its time in place.
    fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
        V: Clone;

    /// The rows that changed since the last commit: key, value or `None` if deleted, time.
    fn changed<'a>(&'a self) -> impl Iterator<Item = (&'a K, Option<&'a V>, Timestamp)>
    where
        K: 'a,
        V: 'a;

    /// The next step of a snapshot.
    fn committed(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        look: &mut Look<'_, K, V>,
    ) -> Result<(), FlushError>
    where
        K: 'static;

    /// `measure` says what a key and a value have on the heap.
    fn commit(&mut self, measure: impl Fn(&K, &V) -> usize);

    fn rollback(&mut self);

    /// Sets or deletes without the undo log; `heap` is as [`KeyedRows::commit`] measures it.
    fn restore(&mut self, key: K, value: Option<V>, timestamp: Timestamp, heap: usize);

    /// The same, at the latest with [`KeyedRows::restored`]; until then nothing else is to be done with the rows.
    fn restore_soon(&mut self, key: K, value: Option<V>, timestamp: Timestamp, heap: usize) {
        self.restore(key, value, timestamp, heap);
    }

    /// Restores what waits.
    fn restored(&mut self) {}

    /// Rows and bytes.
    fn size(&self) -> StoreSize;
}

/// A row; one that was deleted since the last commit stays, without a value.
pub(super) struct Row<V> {
    pub(super) value: Option<V>,
    pub(super) timestamp: Timestamp,
    /// That of its key, where rows are found by it.
    pub(super) hash: u32,
    /// What its key and value have on the heap, as of the last commit, in bytes; the highest bit is set if it changed since.
    heap: u32,
}

const DIRTY: u32 = 1 << 31;

impl<V> Row<V> {
    /// A row that did not change since the last commit.
    #[inline]
    pub(super) fn new(value: Option<V>, timestamp: Timestamp, hash: u32) -> Self {
        Row { value, timestamp, hash, heap: 0 }
    }

    /// Whether it changed since the last commit.
    #[inline]
    pub(super) fn is_dirty(&self) -> bool {
        self.heap & DIRTY != 0
    }

    #[inline]
    pub(super) fn set_dirty(&mut self) {
        self.heap |= DIRTY;
    }

    #[inline]
    pub(super) fn set_clean(&mut self) {
        self.heap &= !DIRTY;
    }

    /// What its key and value have on the heap, as of the last commit.
    #[inline]
    pub(super) fn heap(&self) -> u64 {
        u64::from(self.heap & !DIRTY)
    }

    /// Notes what it has on the heap, in the sum of all.
    #[inline]
    pub(super) fn measured(&mut self, heap: usize, sum: &mut u64) {
        let heap = u32::try_from(heap).unwrap_or(u32::MAX).min(!DIRTY);
        *sum = *sum - self.heap() + u64::from(heap);
        self.heap = heap | (self.heap & DIRTY);
    }

    #[inline]
    pub(super) fn change<R>(&mut self, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R {
        if self.value.is_some() {
            return change(&mut self.value, &mut self.timestamp);
        }
        // A row that was deleted since the last commit begins anew, as it would after the commit.
        let deleted_at = std::mem::replace(&mut self.timestamp, Timestamp::MIN);
        let result = change(&mut self.value, &mut self.timestamp);
        if self.value.is_none() {
            self.timestamp = deleted_at;
        }
        result
    }
}

/// A store of rows by key, shared by its handles and its task.
pub(crate) struct Kept<R, K, V> {
    pub(super) store: Store<K, V>,
    pub(super) rows: RefCell<R>,
    time_to_live: Option<TimeToLive<K>>,
    null: NullValues<V>,
    measure: Measure<K, V>,
}

impl<R: Default, K: Hash + Eq + Clone + 'static, V: 'static> Kept<R, K, V> {
    pub(super) fn new(store: Store<K, V>, clock: &Clock) -> Self {
        let time_to_live = TimeToLive::of(&store, clock);
        let null = NullValues::of(&store);
        let measure = Measure::new(store.key.clone(), store.value.clone());
        Kept { store, rows: RefCell::default(), time_to_live, null, measure }
    }
}

impl<R, K: 'static, V: 'static> Kept<R, K, V> {
    /// What a row has on the heap.
    pub(super) fn heap(&self, key: &K, value: &V) -> usize {
        self.measure.row(key, value)
    }
}

impl<R, K, V> Kept<R, K, V> {
    /// Whether a row that was changed then is seen.
    pub(super) fn is_alive(&self, timestamp: Timestamp) -> bool {
        self.time_to_live.as_ref().is_none_or(|limit| limit.is_alive(timestamp))
    }
}

impl<R: KeyedRows<K, V>, K: Hash + Eq, V: Clone + 'static> Kept<R, K, V> {
    /// Looks at the key's value and the time of its last change, as they are seen.
    pub(super) fn with<T>(&self, key: &K, look: impl FnOnce(Option<(&V, Timestamp)>) -> T) -> T {
        look(self.rows.borrow().get(key).filter(|(_, timestamp)| self.is_alive(*timestamp)))
    }

    /// Sets or, with `None` or null, deletes.
    pub(super) fn put(&self, key: K, mut value: Option<V>, timestamp: Timestamp) {
        self.null.leave_out(&mut value);
        self.rows.borrow_mut().put(key, value, timestamp);
    }

    /// Changes a row as it is seen.
    pub(super) fn update<T>(&self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> T) -> T
    where
        K: Clone,
    {
        let mut rows = self.rows.borrow_mut();
        let change = |value: &mut Option<V>, timestamp: &mut Timestamp| {
            let result = change(value, timestamp);
            self.null.leave_out(value);
            result
        };
        match &self.time_to_live {
            None => rows.update(key, change),
            Some(limit) => rows.update(key, |value, timestamp| limit.change(value, timestamp, change)),
        }
    }
}

impl<R: KeyedRows<K, V>, K: Hash + Eq + Clone + 'static, V: 'static> StateStore for Kept<R, K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.check_writable()
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
            return rows.commit(|key, value| self.measure.row(key, value));
        };
        for (key, value, timestamp) in rows.changed() {
            if value.is_some() {
                limit.note(key, timestamp);
            }
        }
        rows.commit(|key, value| self.measure.row(key, value));
        for key in limit.take_due(stream_time) {
            match rows.get(&key).map(|(_, timestamp)| timestamp) {
                Some(timestamp) if limit.is_alive_at(timestamp, stream_time) => limit.note(&key, timestamp),
                Some(timestamp) => rows.restore(key, None, timestamp, 0),
                None => {}
            }
        }
    }

    fn rollback(&self) {
        self.rows.borrow_mut().rollback();
    }

    fn restored(&self) {
        self.rows.borrow_mut().restored();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        RowWriter::new(&self.store, write).write_committed(&*self.rows.borrow(), cursor, rows_max)
    }

    fn size(&self) -> StoreSize {
        let mut size = self.rows.borrow().size();
        size.bytes += self.time_to_live.as_ref().map_or(0, |limit| limit.bytes(self.measure.average_key()));
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let key = self.store.key.decode(record.key.unwrap_or_default())?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        if let (Some(limit), Some(_)) = (&self.time_to_live, &value) {
            limit.note(&key, record.timestamp);
        }
        let heap = value.as_ref().map_or(0, |value| self.measure.row(&key, value));
        self.rows.borrow_mut().restore_soon(key, value, record.timestamp, heap);
        Ok(())
    }
}
