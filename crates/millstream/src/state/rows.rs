use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use super::kept::{KeyedRows, Row};
use super::row_chunks::RowChunks;
use super::row_index::RowIndex;
use super::snapshot::Look;
use super::{FlushError, SnapshotCursor, StoreSize};
use crate::record::Timestamp;

/// A row that changed since the last commit: what it was then, and what it is now.
pub(crate) struct ChangedRow<K, V> {
    pub(crate) key: K,
    pub(crate) before: Option<V>,
    pub(crate) now: Option<V>,
    pub(crate) timestamp: Timestamp,
}

/// Rows by key, with the undo log of what changed since the last commit.
///
/// Rows have numbers, which a hash index finds, so the undo log names a row by its number: a changed row costs no second
/// look-up at the commit. A deleted row stays in place, empty, until the commit, so that numbers hold.
pub(crate) struct Rows<K, V> {
    rows: RowChunks<(K, Row<V>)>,
    index: RowIndex,
    undo: Vec<Undo<V>>,
    /// The sum of what the rows have on the heap.
    heap: u64,
    /// Restored, and not yet among the rows.
    restored: VecDeque<Restored<K, V>>,
}

struct Undo<V> {
    row: u32,
    before: Option<(V, Timestamp)>,
}

struct Restored<K, V> {
    key: K,
    value: Option<V>,
    timestamp: Timestamp,
    hash: u32,
    heap: usize,
    /// The row that it is of, if that is known and still so.
    row: Option<u32>,
}

/// So many restored rows are looked up one after the other before the first one is put in: then the processor waits for their
/// places in memory all at once.
const AT_ONCE: usize = 64;

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Rows {
            rows: RowChunks::default(),
            index: RowIndex::default(),
            undo: Vec::new(),
            heap: 0,
            restored: VecDeque::new(),
        }
    }
}

#[inline]
fn hash_of<K: Hash>(key: &K) -> u32 {
    // The upper half; all bits of it are good.
    (foldhash::fast::FixedState::default().hash_one(key) >> 32) as u32
}

/// The number of a key's row, and the row.
#[inline]
fn find_mut<'a, K: Eq, V>(
    index: &RowIndex,
    rows: &'a mut RowChunks<(K, Row<V>)>,
    hash: u32,
    key: &K,
) -> Option<(u32, &'a mut (K, Row<V>))> {
    let number = index.find(hash, |row| rows.get(row).is_some_and(|(found, _)| found == key))?;
    Some((number, rows.get_mut(number)?))
}

impl<K: Hash + Eq, V> Rows<K, V> {
    /// The rows that changed since the last commit, with what they were then: key, before, now, time.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&K, Option<&V>, Option<&V>, Timestamp)> {
        self.undo.iter().filter_map(|undo| {
            let (key, row) = self.rows.get(undo.row)?;
            let before = undo.before.as_ref().map(|(value, _)| value);
            (before.is_some() || row.value.is_some()).then_some((key, before, row.value.as_ref(), row.timestamp))
        })
    }

    /// The rows that the changelog has, as of the last commit: key and time.
    pub(crate) fn in_changelog(&self) -> impl Iterator<Item = (&K, Timestamp)> {
        let added: HashSet<u32> = self.undo.iter().filter(|undo| undo.before.is_none()).map(|undo| undo.row).collect();
        let rows = (0..).zip(self.rows.iter()).filter(move |(number, _)| !added.contains(number));
        rows.map(|(_, (key, row))| (key, row.timestamp))
    }

    #[inline]
    fn find(&self, hash: u32, key: &K) -> Option<u32> {
        self.index.find(hash, |row| self.rows.get(row).is_some_and(|(found, _)| found == key))
    }

    /// Changes the value of a key that has no row; it gets one if it has a value then.
    #[inline(never)]
    fn update_new<R>(&mut self, key: &K, hash: u32, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
    {
        let mut row = Row::new(None, Timestamp::MIN, hash);
        let result = change(&mut row.value, &mut row.timestamp);
        if row.value.is_some() {
            row.set_dirty();
            let number = self.add(key.clone(), row);
            self.undo.push(Undo { row: number, before: None });
        }
        result
    }

    /// Adds a row whose key is not there; returns its number.
    #[inline]
    fn add(&mut self, key: K, row: Row<V>) -> u32 {
        let number = self.rows.next();
        self.index.insert(row.hash, number, |row| self.rows.get(row).map_or(0, |(_, row)| row.hash));
        self.rows.push((key, row));
        number
    }

    /// Removes a row; the last one gets its number.
    fn remove(&mut self, number: u32) {
        let Some((_, row)) = self.rows.get(number) else { return };
        self.index.remove(row.hash, number);
        let Some((_, row)) = self.rows.swap_remove(number) else { return };
        self.heap -= row.heap();
        if let Some((_, moved)) = self.rows.get(number) {
            self.index.renumber(moved.hash, self.rows.next(), number);
        }
    }

    /// Removes rows by number. From the highest down: each gap is filled with the last row, which is then never one
    /// that is still to be removed.
    fn remove_all(&mut self, mut rows: Vec<u32>) {
        rows.sort_unstable_by(|a, b| b.cmp(a));
        for row in rows {
            self.remove(row);
        }
    }

    /// Changes a value without the undo log, as [`Rows::restore`].
    pub(crate) fn restore_part(
        &mut self,
        key: K,
        measure: impl FnOnce(&K, &V) -> usize,
        change: impl FnOnce(&mut Option<V>),
    ) {
        let hash = hash_of(&key);
        let found = self.find(hash, &key);
        let number = found.unwrap_or_else(|| self.add(key, Row::new(None, Timestamp::MIN, hash)));
        let Some((key, row)) = self.rows.get_mut(number) else { return };
        change(&mut row.value);
        let heap = row.value.as_ref().map(|value| measure(key, value));
        row.measured(heap.unwrap_or(0), &mut self.heap);
        if heap.is_none() {
            self.remove(number);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V, Timestamp)> {
        self.rows.iter().filter_map(|(key, row)| row.value.as_ref().map(|value| (key, value, row.timestamp)))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Sets or deletes without the undo log.
    fn put_restored(&mut self, restored: Restored<K, V>) {
        let Restored { key, value, timestamp, hash, heap, row } = restored;
        // A row that was found a moment ago may have been deleted meanwhile, and another one have its number; and one that was
        // not may have been added.
        let is_it = |row: &u32| self.rows.get(*row).is_some_and(|(found, _)| *found == key);
        match (row.filter(is_it).or_else(|| self.find(hash, &key)), value) {
            (Some(number), None) => self.remove(number),
            (None, None) => {}
            (Some(number), value) => {
                let Some((_, row)) = self.rows.get_mut(number) else { return };
                (row.value, row.timestamp) = (value, timestamp);
                row.set_clean();
                row.measured(heap, &mut self.heap);
            }
            (None, value) => {
                let (mut row, mut sum) = (Row::new(value, timestamp, hash), self.heap);
                row.measured(heap, &mut sum);
                self.add(key, row);
                self.heap = sum;
            }
        }
    }
}

impl<K: Hash + Eq, V> KeyedRows<K, V> for Rows<K, V> {
    /// Sets or, with `None`, deletes.
    fn put(&mut self, key: K, value: Option<V>, timestamp: Timestamp) {
        debug_assert!(self.restored.is_empty());
        let hash = hash_of(&key);
        match find_mut(&self.index, &mut self.rows, hash, &key) {
            Some((number, (_, row))) => {
                let before = std::mem::replace(&mut row.value, value);
                if !row.is_dirty() {
                    row.set_dirty();
                    self.undo.push(Undo { row: number, before: before.map(|value| (value, row.timestamp)) });
                }
                row.timestamp = timestamp;
            }
            None => {
                if value.is_some() {
                    self.undo.push(Undo { row: self.rows.next(), before: None });
                    let mut row = Row::new(value, timestamp, hash);
                    row.set_dirty();
                    self.add(key, row);
                }
            }
        }
    }

    #[inline]
    fn get(&self, key: &K) -> Option<(&V, Timestamp)> {
        debug_assert!(self.restored.is_empty());
        let (_, row) = self.rows.get(self.find(hash_of(key), key)?)?;
        row.value.as_ref().map(|value| (value, row.timestamp))
    }

    /// Changes a value, `None` where there is none, and its time in place. The key is cloned only for a new row, the
    /// value only at its first change after a commit.
    #[inline]
    fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
        V: Clone,
    {
        debug_assert!(self.restored.is_empty());
        let hash = hash_of(key);
        let Some((number, (_, row))) = find_mut(&self.index, &mut self.rows, hash, key) else {
            return self.update_new(key, hash, change);
        };
        if !row.is_dirty() {
            // A clone that panics leaves the row unchanged.
            let before = row.value.clone().map(|value| (value, row.timestamp));
            self.undo.push(Undo { row: number, before });
            row.set_dirty();
        }
        row.change(change)
    }

    /// The rows that changed since the last commit: key, value or `None` if deleted, time.
    fn changed<'a>(&'a self) -> impl Iterator<Item = (&'a K, Option<&'a V>, Timestamp)>
    where
        K: 'a,
        V: 'a,
    {
        self.undo.iter().filter_map(|undo| {
            let (key, row) = self.rows.get(undo.row)?;
            // A row made and deleted within one commit was never in the changelog, and is not written.
            let never_seen = undo.before.is_none() && row.value.is_none();
            (!never_seen).then_some((key, row.value.as_ref(), row.timestamp))
        })
    }

    /// From the last row down: one that goes is replaced by the last one, which was handed out already or is to be yet, and a
    /// new one lies behind.
    fn committed(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        look: &mut Look<'_, K, V>,
    ) -> Result<(), FlushError>
    where
        K: 'static,
    {
        debug_assert!(self.restored.is_empty());
        let to = cursor.place().map_or(self.rows.next(), |below: &u32| self.rows.next().min(*below));
        let (mut from, mut looked, mut changed) = (to, 0, false);
        while from > 0 && looked < rows_max.max(1) {
            from -= 1;
            let Some((key, row)) = self.rows.get(from) else { continue };
            match &row.value {
                _ if row.is_dirty() => (looked, changed) = (looked + 1, true),
                Some(value) => looked += look(key, value, row.timestamp)?,
                None => {}
            }
        }
        for undo in self.undo.iter().filter(|undo| changed && (from..to).contains(&undo.row)) {
            if let (Some((value, timestamp)), Some((key, _))) = (&undo.before, self.rows.get(undo.row)) {
                look(key, value, *timestamp)?;
            }
        }
        cursor.go_on((from > 0).then_some(from));
        Ok(())
    }

    fn commit(&mut self, measure: impl Fn(&K, &V) -> usize) {
        let mut deleted = Vec::new();
        for Undo { row: number, .. } in self.undo.drain(..) {
            if let Some((key, row)) = self.rows.get_mut(number) {
                row.set_clean();
                match &row.value {
                    Some(value) => {
                        let heap = measure(key, value);
                        row.measured(heap, &mut self.heap);
                    }
                    None => deleted.push(number),
                }
            }
        }
        self.remove_all(deleted);
    }

    fn rollback(&mut self) {
        let mut added = Vec::new();
        for Undo { row: number, before } in self.undo.drain(..) {
            if let Some((_, row)) = self.rows.get_mut(number) {
                row.set_clean();
                match before {
                    Some((value, timestamp)) => {
                        row.value = Some(value);
                        row.timestamp = timestamp;
                    }
                    None => added.push(number),
                }
            }
        }
        self.remove_all(added);
    }

    /// Sets or deletes without the undo log: what the changelog says is committed.
    fn restore(&mut self, key: K, value: Option<V>, timestamp: Timestamp, heap: usize) {
        let hash = hash_of(&key);
        self.put_restored(Restored { key, value, timestamp, hash, heap, row: None });
    }

    fn restore_soon(&mut self, key: K, value: Option<V>, timestamp: Timestamp, heap: usize) {
        let hash = hash_of(&key);
        self.restored.push_back(Restored { key, value, timestamp, hash, heap, row: None });
        if self.restored.len() == AT_ONCE {
            self.restored();
        }
    }

    fn restored(&mut self) {
        for Restored { hash, row, .. } in &mut self.restored {
            *row = self.index.find(*hash, |number| self.rows.get(number).is_some_and(|(_, row)| row.hash == *hash));
        }
        while let Some(restored) = self.restored.pop_front() {
            self.put_restored(restored);
        }
    }

    fn size(&self) -> StoreSize {
        let rows = self.rows.len() as u64;
        let undo = (self.undo.capacity() * size_of::<Undo<V>>()) as u64;
        let before = self.undo.len() as u64 * self.heap.checked_div(rows).unwrap_or(0);
        let restored = self.restored.capacity() * size_of::<Restored<K, V>>();
        let bytes = (self.rows.heap() + self.index.heap() + restored) as u64 + self.heap + undo + before;
        StoreSize { rows, bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::kept::KeyedRows;
    use super::Rows;

    fn rows(rows: &Rows<&'static str, i32>) -> Vec<(&'static str, i32)> {
        let mut all: Vec<_> = rows.iter().map(|(k, v, _)| (*k, *v)).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_rollback_puts_back_every_change() {
        let mut store = Rows::default();
        for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
            store.put(key, Some(value), 0);
        }
        store.commit(|_, _| 0);
        store.put("a", Some(10), 1);
        store.put("a", Some(11), 2);
        store.put("b", None, 3);
        store.put("new", Some(7), 4);
        store.put("gone", Some(8), 5);
        store.put("gone", None, 6);
        store.update(&"c", |value, _| *value = value.map(|value| value + 100));
        store.update(&"fresh", |value, _| *value = Some(1));
        assert_eq!(rows(&store), [("a", 11), ("c", 103), ("fresh", 1), ("new", 7)]);
        store.rollback();
        assert_eq!(rows(&store), [("a", 1), ("b", 2), ("c", 3)]);
        assert_eq!(store.len(), 3);
        assert_eq!(store.changed().count(), 0);
    }

    #[test]
    fn a_commit_writes_each_changed_key_once() {
        let mut store = Rows::default();
        store.put("a", Some(1), 0);
        store.commit(|_, _| 0);
        store.put("a", None, 1);
        store.put("b", Some(1), 1);
        store.put("b", Some(2), 2);
        store.put("c", Some(3), 3);
        store.put("c", None, 4);
        let changed: Vec<_> = store.changed().map(|(k, v, t)| (*k, v.copied(), t)).collect();
        assert_eq!(changed, [("a", None, 1), ("b", Some(2), 2)]);
        assert_eq!(store.in_changelog().collect::<Vec<_>>(), [(&"a", 1)]);
        store.commit(|_, _| 0);
        assert_eq!(rows(&store), [("b", 2)]);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn deleting_many_rows_keeps_the_others() {
        let mut store = Rows::default();
        for key in 0..100 {
            store.put(key, Some(key), 0);
        }
        store.commit(|_, _| 0);
        for key in (0..100).filter(|key| key % 3 == 0) {
            store.put(key, None, 1);
        }
        store.commit(|_, _| 0);
        let mut left: Vec<i32> = store.iter().map(|(k, _, _)| *k).collect();
        left.sort_unstable();
        assert_eq!(left, (0..100).filter(|key| key % 3 != 0).collect::<Vec<_>>());
        assert!(left.iter().all(|key| store.get(key) == Some((key, 0))));
    }

    /// Enough rows for several chunks, and for more shards of the index than one.
    #[test]
    fn many_rows_are_found_after_others_were_deleted_and_rolled_back() {
        const KEYS: u64 = 100_000;
        let (mut store, mut model) = (Rows::default(), HashMap::new());
        let mut numbers = (0_u64..).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
        for round in 0..8 {
            let mut changed = model.clone();
            for key in numbers.by_ref().take(KEYS as usize / 2) {
                let (key, value) = (key % KEYS, (key % 3 > 0).then_some(round));
                store.put(key, value, 0);
                match value {
                    Some(value) => changed.insert(key, value),
                    None => changed.remove(&key),
                };
            }
            if round % 4 == 3 {
                store.rollback();
            } else {
                store.commit(|_, _| 0);
                model = changed;
            }
            assert_eq!(store.len(), model.len());
            assert!((0..KEYS).all(|key| store.get(&key).map(|(value, _)| *value) == model.get(&key).copied()));
        }
        assert!(model.len() > 57_344, "{} rows", model.len());
        for key in 0..KEYS {
            store.restore_soon(key, (key % 5 == 0).then_some(9), 0, 0);
            store.restore_soon(key, (key % 10 == 0).then_some(10), 0, 0);
        }
        store.restored();
        assert_eq!(store.len(), KEYS as usize / 10);
        assert!((0..KEYS).all(|key| store.get(&key).is_some() == (key % 10 == 0)));
    }
}
