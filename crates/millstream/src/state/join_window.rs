use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;

use super::join_rows::JoinRows;
use super::memory::Measure;
use super::{FlushError, SnapshotCursor, StateStore, Store, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{SerdeError, append_key, encode_row};
use crate::time::Clock;

/// One stream's records as a windowed join keeps them: all of them, also several of one key and time, until no record of
/// the other stream can meet them any more. Then tombstones take them out of the changelog.
///
/// In the changelog a key is what Kafka Streams' window stores with retained duplicates write: the key's bytes, the
/// record's time in ms as eight bytes big-endian, and a number of four bytes that tells duplicates apart.
pub(crate) struct JoinWindowStore<K, V> {
    store: Store<K, V>,
    retention_ms: i64,
    clock: Clock,
    rows: RefCell<JoinRows<K, V>>,
    measure: Measure<K, V>,
}

impl<K: Hash + Eq + 'static, V: 'static> JoinWindowStore<K, V> {
    pub(crate) fn new(store: Store<K, V>, retention_ms: i64, clock: Clock) -> Self {
        let measure = Measure::new(store.key.clone(), store.value.clone());
        JoinWindowStore { store, retention_ms, clock, rows: RefCell::default(), measure }
    }

    /// Whether the key or the value is what its serde writes as null: such a record has nothing to be joined by.
    pub(crate) fn is_null(&self, key: &K, value: &V) -> (bool, bool) {
        (self.store.key.is_null(key), self.store.value.is_null(value))
    }

    /// Whether a record of this time comes too late to be kept.
    pub(crate) fn is_late(&self, timestamp: Timestamp) -> bool {
        let newest = self.rows.borrow().newest().map_or(timestamp, |newest| newest.max(timestamp));
        timestamp <= self.kept_after(newest, self.clock.now())
    }

    /// Keeps a record; gives the key as it is kept, and the number among its duplicates.
    pub(crate) fn put(&self, key: K, value: V, timestamp: Timestamp) -> (Rc<K>, u32) {
        self.rows.borrow_mut().put(key, value, timestamp)
    }

    /// Takes each record of the key with a time from `from` to `to`, with its number among its duplicates, in the order of
    /// times, those of one time as they came.
    pub(crate) fn fetch<E>(
        &self,
        key: &K,
        (from, to): (Timestamp, Timestamp),
        take: impl FnMut(&Rc<K>, Timestamp, u32, &V) -> Result<(), E>,
    ) -> Result<(), E> {
        let rows = self.rows.borrow();
        let Some(newest) = rows.newest() else {
            return Ok(());
        };
        let from = from.max(self.kept_after(newest, self.clock.now()).saturating_add(1));
        rows.fetch(key, from, to, take)
    }

    /// Takes each record of the key and time from that number on.
    pub(crate) fn duplicates<E>(
        &self,
        key: &K,
        timestamp: Timestamp,
        from: u32,
        mut take: impl FnMut(&V) -> Result<(), E>,
    ) -> Result<(), E> {
        self.rows.borrow().duplicates(key, timestamp, from).try_for_each(&mut take)
    }

    /// Records up to this time are not kept any more. The newest record of this stream counts, as in Kafka Streams; and
    /// behind a repartition topic the task's time, as an upstream task may be behind.
    fn kept_after(&self, newest: Timestamp, now: Timestamp) -> Timestamp {
        newest.min(now).saturating_sub(self.retention_ms)
    }

    /// Records before this time leave the store at a commit at that stream time. It is 1 ms later than they are last seen:
    /// until then an unjoined one may still be told of.
    pub(crate) fn expired_before(&self, stream_time: Timestamp) -> Timestamp {
        self.expired_of(&self.rows.borrow(), stream_time)
    }

    fn expired_of(&self, rows: &JoinRows<K, V>, now: Timestamp) -> Timestamp {
        rows.newest().map_or(Timestamp::MIN, |newest| self.kept_after(newest, now))
    }

    /// What a record's value has on the heap; its key, which others have too, counts once, on average.
    fn heap(&self, key: &K, value: &V) -> usize {
        self.measure.key(key);
        self.measure.value(value)
    }

    fn encode_key(&self, key: &K, timestamp: Timestamp, number: u32, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        append_key(&*self.store.key, key, out)?;
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }
}

impl<K: Hash + Eq + 'static, V: 'static> StateStore for JoinWindowStore<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.check_writable()
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let rows = self.rows.borrow();
        let expired_before = self.expired_of(&rows, stream_time);
        for (key, timestamp, number) in rows.in_changelog_before(expired_before) {
            self.encode_key(key, timestamp, number, &mut key_bytes)?;
            write(&key_bytes, None, timestamp)?;
        }
        for (key, timestamp, number, value) in rows.added() {
            if timestamp >= expired_before {
                self.encode_key(key, timestamp, number, &mut key_bytes)?;
                write(&key_bytes, encode_row(&*self.store.value, value, &mut value_bytes)?, timestamp)?;
            }
        }
        Ok(())
    }

    fn commit(&self, stream_time: Timestamp) {
        let mut rows = self.rows.borrow_mut();
        let expired_before = self.expired_of(&rows, stream_time);
        rows.commit(|key, value| self.heap(key, value));
        rows.remove_before(expired_before);
    }

    fn rollback(&self) {
        self.rows.borrow_mut().rollback();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let rows = self.rows.borrow();
        let (mut last, mut count) = (None, 0);
        for (arrival, key, timestamp, number, value) in
            rows.committed_after(cursor.place().copied()).take(rows_max.max(1))
        {
            self.encode_key(key, timestamp, number, &mut key_bytes)?;
            write(&key_bytes, encode_row(&*self.store.value, value, &mut value_bytes)?, timestamp)?;
            (last, count) = (Some(arrival), count + 1);
        }
        cursor.go_on(last.filter(|_| count == rows_max.max(1)));
        Ok(())
    }

    fn size(&self) -> StoreSize {
        self.rows.borrow().size(self.measure.average_key())
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let Some((key, place)) = record.key.unwrap_or_default().split_last_chunk::<12>() else {
            return Err(SerdeError::new("a join's window store has keys of at least 12 bytes: a time and a number"));
        };
        let (mut timestamp, mut number) = ([0; 8], [0; 4]);
        timestamp.copy_from_slice(&place[..8]);
        number.copy_from_slice(&place[8..]);
        let (timestamp, number) = (i64::from_be_bytes(timestamp), u32::from_be_bytes(number));
        let key = self.store.key.decode(key)?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        let heap = value.as_ref().map_or(0, |value| self.heap(&key, value));
        self.rows.borrow_mut().restore(key, value, timestamp, number, u32::try_from(heap).unwrap_or(u32::MAX));
        Ok(())
    }
}
