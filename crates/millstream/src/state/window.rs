use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::rc::Rc;

use super::kept::KeyedRows;
use super::memory::{Measure, b_tree};
use super::null::NullValues;
use super::rows::{ChangedRow, Rows};
use super::{Connect, FlushError, SnapshotCursor, StateStore, Store, StoreId, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{SerdeError, append_key, encode_row};
use crate::time::Clock;
use crate::window::{Window, Windowed};

/// A typed map per window, with a changelog: windows of one size, each kept for a retention time from its start on.
///
/// A window whose retention is over is not seen any more, whenever that is noticed: stream time decides. It goes from the
/// changelog by tombstones, as a retention time of the topic would forget, when history is replayed, windows that are still open.
///
/// In the changelog a key is what Kafka Streams' window stores write: the key's bytes, the window's start in ms as eight
/// bytes big-endian, and a sequence number of four bytes, always 0.
pub struct WindowStore<K, V> {
    id: StoreId,
    inner: Rc<WindowRows<K, V>>,
}

/// The store itself, shared by its handles and its task.
pub(crate) struct WindowRows<K, V> {
    store: Store<K, V>,
    size_ms: i64,
    retention_ms: i64,
    clock: Clock,
    rows: RefCell<BTreeMap<Timestamp, Rows<K, V>>>,
    null: NullValues<V>,
    measure: Measure<K, V>,
    /// Whether an expired window stays until it was handed out by [`WindowStore::take_expired`].
    hands_out: Cell<bool>,
    /// Windows that start earlier were handed out since the last commit, and go with the next one.
    handed_out: Cell<Timestamp>,
}

impl<K: Hash + Eq + 'static, V: Clone + 'static> WindowStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, size_ms: i64, retention_ms: i64, clock: Clock) -> Self {
        let (hands_out, handed_out) = (Cell::new(false), Cell::new(Timestamp::MIN));
        let (null, rows) = (NullValues::of(&store), RefCell::default());
        let measure = Measure::new(store.key.clone(), store.value.clone());
        let inner = WindowRows { store, size_ms, retention_ms, clock, rows, null, measure, hands_out, handed_out };
        WindowStore { id, inner: Rc::new(inner) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    /// A clone of the key's value in the window that begins at `start` (ms).
    pub fn get(&self, key: &K, start: Timestamp) -> Option<V> {
        if self.inner.is_expired(start, self.inner.clock.now()) {
            return None;
        }
        let rows = self.inner.rows.borrow();
        rows.get(&start)?.get(key).map(|(value, _)| value.clone())
    }

    /// Sets the key's value in the window that begins at `start` (ms), as of `timestamp` (ms). Returns whether it was taken: a
    /// window whose retention is over takes nothing.
    pub fn put(&self, key: K, value: V, start: Timestamp, timestamp: Timestamp) -> bool {
        self.set(key, Some(value), start, timestamp)
    }

    /// Deletes the key in the window that begins at `start` (ms), as of `timestamp` (ms). Returns whether the window's retention
    /// goes on.
    pub fn delete(&self, key: K, start: Timestamp, timestamp: Timestamp) -> bool {
        self.set(key, None, start, timestamp)
    }

    fn set(&self, key: K, mut value: Option<V>, start: Timestamp, timestamp: Timestamp) -> bool {
        let live = !self.inner.is_expired(start, self.inner.clock.now());
        if live {
            self.inner.null.leave_out(&mut value);
            self.inner.rows.borrow_mut().entry(start).or_default().put(key, value, timestamp);
        }
        live
    }

    /// Changes the key's value in the window that begins at `start` (ms), `None` where there is none, and its time in place.
    /// `change` must not use this store, and the window's retention must go on.
    pub(crate) fn update<R>(
        &self,
        key: &K,
        start: Timestamp,
        change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R,
    ) -> R
    where
        K: Clone,
    {
        self.inner.rows.borrow_mut().entry(start).or_default().update(key, |value, timestamp| {
            let result = change(value, timestamp);
            self.inner.null.leave_out(value);
            result
        })
    }

    /// Looks at the key's value in each window that begins within `times` (ms), from the first on: the window, the value, and the
    /// time of its last change. Costs a look-up for each window there. `look` must not change this store.
    pub fn fetch(&self, key: &K, times: impl RangeBounds<Timestamp>, mut look: impl FnMut(Window, &V, Timestamp)) {
        let (windows, now) = (self.inner.rows.borrow(), self.inner.clock.now());
        for (start, rows) in windows.range(inclusive(times)).filter(|(start, _)| !self.inner.is_expired(**start, now)) {
            if let Some((value, timestamp)) = rows.get(key) {
                look(self.inner.window(*start), value, timestamp);
            }
        }
    }

    /// Looks at all rows in windows that begin within `times` (ms), from the first window on; within one in no particular but a
    /// repeatable order. `look` must not change this store.
    pub fn fetch_all(&self, times: impl RangeBounds<Timestamp>, mut look: impl FnMut(Window, &K, &V, Timestamp)) {
        let (windows, now) = (self.inner.rows.borrow(), self.inner.clock.now());
        for (start, rows) in windows.range(inclusive(times)).filter(|(start, _)| !self.inner.is_expired(**start, now)) {
            for (key, value, timestamp) in rows.iter() {
                look(self.inner.window(*start), key, value, timestamp);
            }
        }
    }

    /// The rows that changed since the last commit.
    pub(crate) fn changed(&self) -> Vec<ChangedRow<Windowed<K>, V>>
    where
        K: Clone,
    {
        let mut changed = Vec::new();
        for (start, rows) in self.inner.rows.borrow().iter() {
            let window = self.inner.window(*start);
            changed.extend(rows.changes().map(|(key, before, now, timestamp)| ChangedRow {
                key: Windowed { key: key.clone(), window },
                before: before.cloned(),
                now: now.cloned(),
                timestamp,
            }));
        }
        changed
    }

    /// Keeps expired windows until they were handed out by [`WindowStore::take_expired`].
    pub(crate) fn hand_out(&self) {
        self.inner.hands_out.set(true);
    }

    /// When the next window that was not handed out expires; `MAX` without one.
    pub(crate) fn next_expiry(&self) -> Timestamp {
        let windows = self.inner.rows.borrow();
        let next = windows.range(self.inner.handed_out.get()..).next();
        next.map_or(Timestamp::MAX, |(start, _)| start.saturating_add(self.inner.retention_ms))
    }

    /// Hands out the rows of the windows that are expired at that time, once: by start and, within a window, by the keys' bytes.
    /// They go with the next commit.
    pub(crate) fn take_expired(&self, time: Timestamp) -> Result<Vec<(Windowed<K>, V, Timestamp)>, SerdeError>
    where
        K: Clone,
    {
        let (inner, mut taken) = (&self.inner, Vec::new());
        let windows = inner.rows.borrow();
        let expired = windows.range(inner.handed_out.get()..).take_while(|(start, _)| inner.is_expired(**start, time));
        for (start, rows) in expired {
            let mut sorted = Vec::with_capacity(rows.len());
            for (key, value, timestamp) in rows.iter() {
                let mut bytes = Vec::new();
                append_key(&*inner.store.key, key, &mut bytes)?;
                let key = Windowed { key: key.clone(), window: inner.window(*start) };
                sorted.push((bytes, (key, value.clone(), timestamp)));
            }
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            taken.extend(sorted.into_iter().map(|(_, row)| row));
            inner.handed_out.set(start.saturating_add(1));
        }
        Ok(taken)
    }
}

impl<K: 'static, V> WindowRows<K, V> {
    fn window(&self, start: Timestamp) -> Window {
        Window { start, end: start.saturating_add(self.size_ms) }
    }

    fn is_expired(&self, start: Timestamp, stream_time: Timestamp) -> bool {
        start.saturating_add(self.retention_ms) <= stream_time
    }

    /// Whether a window goes with the commit at that stream time.
    fn goes(&self, start: Timestamp, stream_time: Timestamp) -> bool {
        if self.hands_out.get() { start < self.handed_out.get() } else { self.is_expired(start, stream_time) }
    }

    fn encode_key(&self, key: &K, start: Timestamp, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        append_key(&*self.store.key, key, out)?;
        out.extend_from_slice(&start.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

impl<K, V> Clone for WindowStore<K, V> {
    fn clone(&self) -> Self {
        WindowStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K, V> Connect for WindowStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }

    fn uses_time(&self) -> bool {
        true
    }
}

/// The same times, of which a map can be asked also if they are none.
fn inclusive(times: impl RangeBounds<Timestamp>) -> RangeInclusive<Timestamp> {
    let from = match times.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(from) => from.saturating_add(1),
        Bound::Unbounded => Timestamp::MIN,
    };
    let to = match times.end_bound() {
        Bound::Included(to) => *to,
        Bound::Excluded(to) => to.saturating_sub(1),
        Bound::Unbounded => Timestamp::MAX,
    };
    // Nothing begins at the last ms there is.
    if from <= to { from..=to } else { Timestamp::MAX..=Timestamp::MAX }
}

/// A key of a window store's changelog: the key's bytes, and the window's start.
pub(super) fn split_key(bytes: &[u8]) -> Result<(&[u8], Timestamp), SerdeError> {
    let Some((key, rest)) = bytes.split_last_chunk::<12>() else {
        return Err(SerdeError::new(
            "a window store's key has at least 12 bytes: a window's start and a sequence number",
        ));
    };
    let mut start = [0; 8];
    start.copy_from_slice(&rest[..8]);
    Ok((key, i64::from_be_bytes(start)))
}

impl<K: Hash + Eq + 'static, V: 'static> StateStore for WindowRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.check_writable()
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        for (start, rows) in self.rows.borrow().iter() {
            if self.goes(*start, stream_time) {
                for (key, timestamp) in rows.in_changelog() {
                    self.encode_key(key, *start, &mut key_bytes)?;
                    write(&key_bytes, None, timestamp)?;
                }
                continue;
            }
            for (key, value, timestamp) in rows.changed() {
                self.encode_key(key, *start, &mut key_bytes)?;
                let value = match value {
                    Some(value) => encode_row(&*self.store.value, value, &mut value_bytes)?,
                    None => None,
                };
                write(&key_bytes, value, timestamp)?;
            }
        }
        Ok(())
    }

    fn commit(&self, stream_time: Timestamp) {
        self.rows.borrow_mut().retain(|start, rows| {
            rows.commit(|key, value| self.measure.row(key, value));
            !self.goes(*start, stream_time)
        });
        self.handed_out.set(Timestamp::MIN);
    }

    fn rollback(&self) {
        self.handed_out.set(Timestamp::MIN);
        self.rows.borrow_mut().retain(|_, rows| {
            rows.rollback();
            rows.len() > 0
        });
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes, mut left) = (Vec::new(), Vec::new(), rows_max.max(1));
        let windows = self.rows.borrow();
        let (mut at, mut within) = cursor.take().unwrap_or((Timestamp::MIN, SnapshotCursor::default()));
        for (start, rows) in windows.range(at..) {
            if left == 0 {
                cursor.go_on(Some((at, within)));
                return Ok(());
            }
            if *start != at {
                (at, within) = (*start, SnapshotCursor::default());
            }
            let mut handed_out = 0;
            rows.committed(&mut within, left, &mut |key, value, timestamp| {
                self.encode_key(key, at, &mut key_bytes)?;
                write(&key_bytes, encode_row(&*self.store.value, value, &mut value_bytes)?, timestamp)?;
                handed_out += 1;
                Ok(1)
            })?;
            left = left.saturating_sub(handed_out);
            if !within.is_done() {
                cursor.go_on(Some((at, within)));
                return Ok(());
            }
            (at, within) = (at.saturating_add(1), SnapshotCursor::default());
        }
        cursor.go_on(None::<()>);
        Ok(())
    }

    fn size(&self) -> StoreSize {
        let windows = self.rows.borrow();
        let mut size = StoreSize { rows: 0, bytes: b_tree::<(Timestamp, Rows<K, V>)>(windows.len()) };
        windows.values().for_each(|rows| size += rows.size());
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let (key, start) = split_key(record.key.unwrap_or_default())?;
        let key = self.store.key.decode(key)?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        let heap = value.as_ref().map_or(0, |value| self.measure.row(&key, value));
        let mut windows = self.rows.borrow_mut();
        windows.entry(start).or_default().restore(key, value, record.timestamp, heap);
        Ok(())
    }
}
