//! Windows that lie anywhere, for each key its own: sliding windows and sessions.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::Hash;

use indexmap::IndexSet;

use super::kept::KeyedRows;
use super::memory::{Measure, b_tree, index_map};
use super::rows::{ChangedRow, Rows};
use super::window::split_key;
use super::{FlushError, SnapshotCursor, StateStore, Store, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{SerdeError, append_key, encode_row, split_session};
use crate::time::Clock;
use crate::window::{Window, Windowed};

/// One window of a key. It has a value, but while that is changed.
#[derive(Clone)]
pub(crate) struct Span<V> {
    pub(crate) window: Window,
    pub(crate) value: Option<V>,
    pub(crate) timestamp: Timestamp,
    /// In which commit, by its number, it changed last.
    changed: u64,
}

/// The windows of one key, by end and start.
#[derive(Clone)]
pub(crate) struct Spans<V> {
    list: Vec<Span<V>>,
    /// The number of the commit to come.
    commit: u64,
}

fn order(a: Window, b: Window) -> Ordering {
    (a.end, a.start).cmp(&(b.end, b.start))
}

impl<V> Spans<V> {
    pub(crate) fn list(&self) -> &[Span<V>] {
        &self.list
    }

    pub(crate) fn position(&self, window: Window) -> Result<usize, usize> {
        self.list.binary_search_by(|span| order(span.window, window))
    }

    /// The first window that ends at `end` or later.
    pub(crate) fn first_to(&self, end: Timestamp) -> usize {
        self.list.partition_point(|span| span.window.end < end)
    }

    /// A window's value and time, to be changed.
    pub(crate) fn change(&mut self, index: usize) -> (&mut Option<V>, &mut Timestamp) {
        let span = &mut self.list[index];
        span.changed = self.commit;
        (&mut span.value, &mut span.timestamp)
    }

    /// Sets a window's value; gives the one before.
    pub(crate) fn put(&mut self, window: Window, value: Option<V>, timestamp: Timestamp) -> Option<V> {
        let mut span = Span { window, value, timestamp, changed: self.commit };
        match self.position(window) {
            Ok(index) => {
                std::mem::swap(&mut span, &mut self.list[index]);
                span.value
            }
            Err(index) => {
                self.list.insert(index, span);
                None
            }
        }
    }

    /// Takes windows out, by their places.
    pub(crate) fn drain(&mut self, range: std::ops::Range<usize>) -> impl Iterator<Item = Span<V>> {
        self.list.drain(range)
    }

    /// The end of the first window that ends at `from` or later; `MAX` without one.
    fn end_from(&self, from: Timestamp) -> Timestamp {
        self.list.get(self.first_to(from)).map_or(Timestamp::MAX, |span| span.window.end)
    }
}

/// Which windows changed between two states of a key: the window, before, now.
fn differences<'a, V>(
    before: &'a [Span<V>],
    now: &'a [Span<V>],
    commit: u64,
    mut look: impl FnMut(Window, Option<&'a Span<V>>, Option<&'a Span<V>>) -> Result<(), FlushError>,
) -> Result<(), FlushError> {
    // What is gone first: as merged sessions go before the one that they are merged into.
    let (mut i, mut j) = (0, 0);
    while let Some(old) = before.get(i) {
        match now.get(j).map_or(Ordering::Less, |new| order(old.window, new.window)) {
            Ordering::Less => {
                look(old.window, Some(old), None)?;
                i += 1;
            }
            Ordering::Equal => (i, j) = (i + 1, j + 1),
            Ordering::Greater => j += 1,
        }
    }
    let mut old = before.iter().peekable();
    for new in now {
        while old.next_if(|old| order(old.window, new.window) == Ordering::Less).is_some() {}
        let old = old.next_if(|old| old.window == new.window);
        if old.is_none() || new.changed == commit {
            look(new.window, old, Some(new))?;
        }
    }
    Ok(())
}

/// Keys by the time at which they are to be looked at; may say so too early, but not too late.
struct Schedule<K> {
    keys: RefCell<BTreeMap<Timestamp, IndexSet<K, foldhash::fast::FixedState>>>,
    count: Cell<usize>,
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Schedule { keys: RefCell::default(), count: Cell::new(0) }
    }
}

impl<K: Hash + Eq> Schedule<K> {
    fn next(&self) -> Option<Timestamp> {
        self.keys.borrow().keys().next().copied()
    }

    fn insert(&self, time: Timestamp, key: K) {
        if time != Timestamp::MAX {
            let added = self.keys.borrow_mut().entry(time).or_default().insert(key);
            self.count.set(self.count.get() + usize::from(added));
        }
    }

    /// Moves the keys that are due up to `limit` to `taken`, calling nothing of theirs that may panic; gives each once.
    fn take(&self, limit: Timestamp, taken: &RefCell<Vec<K>>) -> IndexSet<K, foldhash::fast::FixedState>
    where
        K: Clone,
    {
        let from = taken.borrow().len();
        let mut schedule = self.keys.borrow_mut();
        while let Some(entry) = schedule.first_entry().filter(|entry| *entry.key() <= limit) {
            let keys = entry.remove();
            self.count.set(self.count.get() - keys.len());
            taken.borrow_mut().extend(keys);
        }
        taken.borrow()[from..].iter().cloned().collect()
    }

    /// What it takes, when keys have so many bytes on the heap.
    fn bytes(&self, key_heap: u64) -> u64 {
        let (times, count) = (self.keys.borrow().len(), self.count.get());
        // A set of one has room for three.
        let sets = times as u64 * index_map::<K>((count * 4 / 3).checked_div(times).unwrap_or(0).max(3));
        b_tree::<(Timestamp, IndexSet<K, foldhash::fast::FixedState>)>(times) + sets + count as u64 * key_heap
    }
}

/// How the changelog's keys are written, as Kafka Streams writes them.
#[derive(Clone, Copy)]
pub(crate) enum SpanKeys {
    /// Windows of one size in ms: the key's bytes, the start, and four zero bytes.
    Windows(i64),
    /// The key's bytes, the end and the start.
    Sessions,
}

/// The key of the changelog's row that says which windows were handed out: shorter than any window's key.
const HANDED_OUT: &[u8] = b"closed";

/// The windows of all keys, with an undo log and a changelog. A window is kept for a retention time after its end.
pub(crate) struct SpanRows<K, V> {
    store: Store<K, V>,
    keys: SpanKeys,
    retention_ms: i64,
    /// A window that ends this much, in ms, before the latest one is not seen any more, either: so much do Kafka Streams' stores
    /// keep.
    behind_ms: i64,
    /// The end of the latest window: now, and as of the last commit.
    latest: Cell<Timestamp>,
    latest_committed: Cell<Timestamp>,
    /// How long after its end, in ms, a window is handed out by [`SpanRows::take_closed`]; `None` for not at all.
    closes_ms: Cell<Option<i64>>,
    clock: Clock,
    rows: RefCell<Rows<K, Spans<V>>>,
    measure: Measure<K, V>,
    /// By the end of each key's first window.
    expiry: Schedule<K>,
    /// By the end of each key's first window that was not handed out; of use where windows are.
    closing: Schedule<K>,
    /// Windows that end earlier were handed out: now, and as of the last commit. In the changelog, too.
    handed_out: Cell<Timestamp>,
    handed_out_committed: Cell<Timestamp>,
    /// Keys that were taken out of the schedules since the last commit: a rollback puts them back.
    keys_taken: RefCell<Vec<K>>,
    /// The number of the commit to come.
    commit: Cell<u64>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> SpanRows<K, V> {
    pub(crate) fn new(store: Store<K, V>, keys: SpanKeys, retention_ms: i64, behind_ms: i64, clock: Clock) -> Self {
        let measure = Measure::new(store.key.clone(), store.value.clone());
        SpanRows {
            store,
            measure,
            keys,
            retention_ms,
            behind_ms,
            latest: Cell::new(Timestamp::MIN),
            latest_committed: Cell::new(Timestamp::MIN),
            closes_ms: Cell::new(None),
            clock,
            rows: RefCell::default(),
            expiry: Schedule::default(),
            closing: Schedule::default(),
            handed_out: Cell::new(Timestamp::MIN),
            handed_out_committed: Cell::new(Timestamp::MIN),
            keys_taken: RefCell::default(),
            commit: Cell::new(0),
        }
    }

    /// Windows that end earlier are not seen any more.
    pub(crate) fn live_from(&self) -> Timestamp {
        let by_clock = self.clock.now().saturating_sub(self.retention_ms);
        // Behind a repartition topic a window may be far ahead of the time: that says nothing about what is still to come.
        let ahead_ms = match self.keys {
            SpanKeys::Windows(size_ms) => size_ms.saturating_add(1),
            SpanKeys::Sessions => 0,
        };
        let latest = self.latest.get().min(self.clock.now().saturating_add(ahead_ms));
        let by_latest = latest.saturating_sub(self.behind_ms);
        by_clock.max(by_latest).saturating_add(1)
    }

    /// Looks at a key's windows.
    pub(crate) fn with<R>(&self, key: &K, look: impl FnOnce(&[Span<V>]) -> R) -> R {
        let rows = self.rows.borrow();
        look(rows.get(key).map_or(&[], |(spans, _)| &spans.list))
    }

    /// Changes a key's windows. `change` must not use this store.
    pub(crate) fn change<R>(&self, key: &K, change: impl FnOnce(&mut Spans<V>) -> R) -> R {
        let (commit, handed_out) = (self.commit.get(), self.handed_out.get());
        let (result, before, after) = self.rows.borrow_mut().update(key, |row, _| {
            let spans = row.get_or_insert_with(|| Spans { list: Vec::new(), commit });
            spans.commit = commit;
            let before = (spans.end_from(Timestamp::MIN), spans.end_from(handed_out));
            let result = change(spans);
            let after = (spans.end_from(Timestamp::MIN), spans.end_from(handed_out));
            match spans.list.last() {
                Some(last) => self.latest.set(self.latest.get().max(last.window.end)),
                None => *row = None,
            }
            (result, before, after)
        });
        if after.0 < before.0 {
            self.expiry.insert(after.0, key.clone());
        }
        if after.1 < before.1 && self.closes_ms.get().is_some() {
            self.closing.insert(after.1, key.clone());
        }
        result
    }

    /// The windows that changed since the last commit; of one key those that are gone first.
    pub(crate) fn changed(&self) -> Vec<ChangedRow<Windowed<K>, V>> {
        let mut changed = Vec::new();
        for (key, before, now, _) in self.rows.borrow().changes() {
            let (before, now) = (before.map_or(&[][..], |spans| &spans.list), now.map_or(&[][..], |spans| &spans.list));
            let _ = differences(before, now, self.commit.get(), |window, old, new| {
                changed.push(ChangedRow {
                    key: Windowed { key: key.clone(), window },
                    before: old.and_then(|span| span.value.clone()),
                    now: new.and_then(|span| span.value.clone()),
                    timestamp: new.or(old).map_or(0, |span| span.timestamp),
                });
                Ok(())
            });
        }
        changed
    }

    /// Has windows handed out `closes_ms` after their end, and kept until then.
    pub(crate) fn hand_out(&self, closes_ms: i64) {
        self.closes_ms.set(Some(closes_ms));
    }

    /// When there may be a window to be handed out; `MAX` for never.
    pub(crate) fn next_close(&self) -> Timestamp {
        let closes_ms = self.closes_ms.get().unwrap_or(Timestamp::MAX);
        self.closing.next().map_or(Timestamp::MAX, |end| end.saturating_add(closes_ms))
    }

    /// Hands out the windows that are closed at that time, once: by end, start, and the keys' bytes.
    pub(crate) fn take_closed(&self, time: Timestamp) -> Result<Vec<(Windowed<K>, V, Timestamp)>, SerdeError> {
        let Some(closes_ms) = self.closes_ms.get() else { return Ok(Vec::new()) };
        let limit = time.saturating_sub(closes_ms);
        // At the end of a run time is over, but not by the clock: what is handed out then goes, as a later run begins anew.
        let by_clock = limit.min(self.clock.now().saturating_sub(closes_ms));
        let (from, keys, mut closed) = (self.handed_out.get(), self.closing.take(limit, &self.keys_taken), Vec::new());
        for key in &keys {
            let mut bytes = Vec::new();
            append_key(&*self.store.key, key, &mut bytes)?;
            let past_the_clock = self.with(key, |list| {
                let place = |end: Timestamp| list.partition_point(|span| span.window.end < end.max(from));
                for span in &list[place(from)..place(limit.saturating_add(1))] {
                    let row = span.value.clone().map(|value| (key.clone(), value, span.timestamp));
                    closed.extend(row.map(|row| (span.window, bytes.clone(), row)));
                }
                place(by_clock.saturating_add(1))..place(limit.saturating_add(1))
            });
            if !past_the_clock.is_empty() {
                self.change(key, |spans| drop(spans.drain(past_the_clock)));
            }
        }
        self.handed_out.set(by_clock.saturating_add(1).max(from));
        for key in keys {
            let next = self.with(&key, |list| {
                let next = list.get(list.partition_point(|span| span.window.end < self.handed_out.get()));
                next.map_or(Timestamp::MAX, |span| span.window.end)
            });
            self.closing.insert(next, key);
        }
        closed.sort_by(|(a, a_key, _), (b, b_key, _)| order(*a, *b).then_with(|| a_key.cmp(b_key)));
        let rows = closed.into_iter().map(|(window, _, (key, value, time))| (Windowed { key, window }, value, time));
        Ok(rows.collect())
    }

    /// Deletes what is expired at that time, as a change like any other: a commit writes tombstones, a rollback puts it back.
    fn expire(&self, stream_time: Timestamp) {
        let mut limit = stream_time.saturating_sub(self.retention_ms);
        if self.closes_ms.get().is_some() {
            limit = limit.min(self.handed_out.get().saturating_sub(1));
        }
        for key in self.expiry.take(limit, &self.keys_taken) {
            let first = |spans: &[Span<V>]| spans.first().map_or(Timestamp::MAX, |span| span.window.end);
            if self.with(&key, first) <= limit {
                self.change(&key, |spans| drop(spans.drain(0..spans.first_to(limit.saturating_add(1)))));
            }
            self.expiry.insert(self.with(&key, first), key);
        }
    }

    fn encode_key(&self, key: &K, window: Window, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        append_key(&*self.store.key, key, out)?;
        if let SpanKeys::Sessions = self.keys {
            out.extend_from_slice(&window.end.to_be_bytes());
        }
        out.extend_from_slice(&window.start.to_be_bytes());
        if let SpanKeys::Windows(_) = self.keys {
            out.extend_from_slice(&[0; 4]);
        }
        Ok(())
    }

    /// What a key's row has on the heap.
    fn heap(&self, key: &K, spans: &Spans<V>) -> usize {
        let values = spans.list.iter().filter_map(|span| span.value.as_ref());
        let values: usize =
            if std::mem::needs_drop::<V>() { values.map(|value| self.measure.value(value)).sum() } else { 0 };
        self.measure.key(key) + spans.list.capacity() * size_of::<Span<V>>() + values
    }

    fn restore_handed_out(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let bytes = record.value.unwrap_or_default();
        let bytes = bytes.try_into().map_err(|_| SerdeError::new("what was closed is a time of eight bytes"))?;
        let time = i64::from_be_bytes(bytes);
        self.handed_out.set(time);
        self.handed_out_committed.set(time);
        Ok(())
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> StateStore for SpanRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.check_writable()
    }

    fn is_unversioned(&self, key: &[u8]) -> bool {
        key == HANDED_OUT
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        self.expire(stream_time);
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        for (key, before, now, _) in self.rows.borrow().changes() {
            let (before, now) = (before.map_or(&[][..], |spans| &spans.list), now.map_or(&[][..], |spans| &spans.list));
            differences(before, now, self.commit.get(), |window, old, new| {
                self.encode_key(key, window, &mut key_bytes)?;
                let value = match new.and_then(|span| span.value.as_ref()) {
                    Some(value) => encode_row(&*self.store.value, value, &mut value_bytes)?,
                    None => None,
                };
                let timestamp = new.or(old).map_or(stream_time, |span| span.timestamp);
                Ok(write(&key_bytes, value, timestamp)?)
            })?;
        }
        if self.handed_out.get() != self.handed_out_committed.get() {
            write(HANDED_OUT, Some(&self.handed_out.get().to_be_bytes()), stream_time)?;
        }
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.rows.borrow_mut().commit(|key, spans| self.heap(key, spans));
        self.commit.set(self.commit.get() + 1);
        self.handed_out_committed.set(self.handed_out.get());
        self.latest_committed.set(self.latest.get());
        self.keys_taken.borrow_mut().clear();
    }

    fn rollback(&self) {
        let mut rows = self.rows.borrow_mut();
        let mut keys = self.keys_taken.take();
        keys.extend(rows.changes().filter(|(_, before, _, _)| before.is_some()).map(|(key, _, _, _)| key.clone()));
        rows.rollback();
        self.handed_out.set(self.handed_out_committed.get());
        self.latest.set(self.latest_committed.get());
        for key in keys {
            let Some((spans, _)) = rows.get(&key) else { continue };
            self.expiry.insert(spans.end_from(Timestamp::MIN), key.clone());
            if self.closes_ms.get().is_some() {
                self.closing.insert(spans.end_from(self.handed_out.get()), key);
            }
        }
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        if cursor.is_at_start() && self.handed_out_committed.get() != Timestamp::MIN {
            write(HANDED_OUT, Some(&self.handed_out_committed.get().to_be_bytes()), self.clock.now().max(0))?;
        }
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        self.rows.borrow().committed(cursor, rows_max, &mut |key, spans, _| {
            for span in &spans.list {
                self.encode_key(key, span.window, &mut key_bytes)?;
                let value = match &span.value {
                    Some(value) => encode_row(&*self.store.value, value, &mut value_bytes)?,
                    None => None,
                };
                write(&key_bytes, value, span.timestamp)?;
            }
            Ok(spans.list.len())
        })
    }

    fn size(&self) -> StoreSize {
        let mut size = self.rows.borrow().size();
        let key_heap = self.measure.average_key();
        size.bytes += self.expiry.bytes(key_heap) + self.closing.bytes(key_heap);
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let bytes = record.key.unwrap_or_default();
        if bytes == HANDED_OUT {
            return self.restore_handed_out(record);
        }
        let (key, window) = match self.keys {
            SpanKeys::Sessions => split_session(bytes)?,
            SpanKeys::Windows(size_ms) => {
                let (key, start) = split_key(bytes)?;
                (key, Window { start, end: start.saturating_add(size_ms) })
            }
        };
        let key = self.store.key.decode(key)?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        self.latest.set(self.latest.get().max(window.end));
        self.latest_committed.set(self.latest.get());
        let is_deleted = value.is_none();
        let mut first = Timestamp::MAX;
        let measure = |key: &K, spans: &Spans<V>| self.heap(key, spans);
        self.rows.borrow_mut().restore_part(key.clone(), measure, |row| {
            let spans = row.get_or_insert_with(|| Spans { list: Vec::new(), commit: 0 });
            spans.commit = u64::MAX;
            let before = spans.end_from(Timestamp::MIN);
            match (value, spans.position(window)) {
                (None, Ok(index)) => drop(spans.list.remove(index)),
                (None, Err(_)) => {}
                (value, _) => drop(spans.put(window, value, record.timestamp)),
            }
            first = Some(spans.end_from(Timestamp::MIN)).filter(|after| *after < before).unwrap_or(Timestamp::MAX);
            if spans.list.is_empty() {
                *row = None;
            }
        });
        self.expiry.insert(first, key.clone());
        if self.closes_ms.get().is_some() {
            // Whatever else the row has: what was restored may be to be handed out, and too early does no harm.
            self.closing.insert(if is_deleted { first } else { window.end }, key);
        }
        Ok(())
    }
}
