use std::collections::HashSet;
use std::hash::Hash;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::kept::{KeyedRows, Row};
use super::memory::index_map;
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
/// Rows lie in a vector with a hash index beside it, so the undo log names a row by its number: a changed row costs no
/// second look-up at the commit. A deleted row stays in place, empty, until the commit, so that numbers hold.
pub(crate) struct Rows<K, V> {
    rows: IndexMap<K, Row<V>, foldhash::fast::FixedState>,
    undo: Vec<Undo<V>>,
    /// The sum of what the rows have on the heap.
    heap: u64,
}

struct Undo<V> {
    row: usize,
    before: Option<(V, Timestamp)>,
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Rows { rows: IndexMap::default(), undo: Vec::new(), heap: 0 }
    }
}

impl<K: Hash + Eq, V> Rows<K, V> {
    /// The rows that changed since the last commit, with what they were then: key, before, now, time.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&K, Option<&V>, Option<&V>, Timestamp)> {
        self.undo.iter().filter_map(|undo| {
            let (key, row) = self.rows.get_index(undo.row)?;
            let before = undo.before.as_ref().map(|(value, _)| value);
            (before.is_some() || row.value.is_some()).then_some((key, before, row.value.as_ref(), row.timestamp))
        })
    }

    /// The rows that the changelog has, as of the last commit: key and time.
    pub(crate) fn in_changelog(&self) -> impl Iterator<Item = (&K, Timestamp)> {
        let added: HashSet<usize> =
            self.undo.iter().filter(|undo| undo.before.is_none()).map(|undo| undo.row).collect();
        let rows = self.rows.iter().enumerate().filter(move |(index, _)| !added.contains(index));
        rows.map(|(_, (key, row))| (key, row.timestamp))
    }

    /// Removes rows by number. From the highest down: each gap is filled with the last row, which is then never one
    /// that is still to be removed.
    fn remove(&mut self, mut rows: Vec<usize>) {
        rows.sort_unstable_by(|a, b| b.cmp(a));
        for row in rows {
            if let Some((_, row)) = self.rows.swap_remove_index(row) {
                self.heap -= u64::from(row.heap);
            }
        }
    }

    /// Changes a value without the undo log, as [`Rows::restore`].
    pub(crate) fn restore_part(
        &mut self,
        key: K,
        measure: impl FnOnce(&K, &V) -> usize,
        change: impl FnOnce(&mut Option<V>),
    ) {
        let entry = self.rows.entry(key);
        let index = entry.index();
        entry.or_insert(Row { value: None, timestamp: Timestamp::MIN, dirty: false, heap: 0 });
        let Some((key, row)) = self.rows.get_index_mut(index) else { return };
        change(&mut row.value);
        let heap = row.value.as_ref().map(|value| measure(key, value));
        row.measured(heap.unwrap_or(0), &mut self.heap);
        if heap.is_none() {
            self.rows.swap_remove_index(index);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V, Timestamp)> {
        self.rows.iter().filter_map(|(key, row)| row.value.as_ref().map(|value| (key, value, row.timestamp)))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<K: Hash + Eq, V> KeyedRows<K, V> for Rows<K, V> {
    /// Sets or, with `None`, deletes.
    fn put(&mut self, key: K, value: Option<V>, timestamp: Timestamp) {
        match self.rows.entry(key) {
            Entry::Occupied(mut entry) => {
                let index = entry.index();
                let row = entry.get_mut();
                let before = std::mem::replace(&mut row.value, value);
                if !row.dirty {
                    row.dirty = true;
                    self.undo.push(Undo { row: index, before: before.map(|value| (value, row.timestamp)) });
                }
                row.timestamp = timestamp;
            }
            Entry::Vacant(entry) => {
                if value.is_some() {
                    self.undo.push(Undo { row: entry.index(), before: None });
                    entry.insert(Row { value, timestamp, dirty: true, heap: 0 });
                }
            }
        }
    }

    fn get(&self, key: &K) -> Option<(&V, Timestamp)> {
        let row = self.rows.get(key)?;
        row.value.as_ref().map(|value| (value, row.timestamp))
    }

    /// Changes a value, `None` where there is none, and its time in place. The key is cloned only for a new row, the
    /// value only at its first change after a commit.
    fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
        V: Clone,
    {
        let index = self.rows.get_index_of(key).unwrap_or_else(|| {
            self.rows.insert_full(key.clone(), Row { value: None, timestamp: Timestamp::MIN, dirty: false, heap: 0 }).0
        });
        let row = &mut self.rows[index];
        if !row.dirty {
            // A clone that panics leaves the row unchanged.
            let before = row.value.clone().map(|value| (value, row.timestamp));
            self.undo.push(Undo { row: index, before });
            row.dirty = true;
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
            let (key, row) = self.rows.get_index(undo.row)?;
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
        let to = cursor.place().map_or(self.rows.len(), |below: &usize| self.rows.len().min(*below));
        let (mut from, mut looked, mut changed) = (to, 0, false);
        while from > 0 && looked < rows_max.max(1) {
            from -= 1;
            let Some((key, row)) = self.rows.get_index(from) else { continue };
            match &row.value {
                _ if row.dirty => (looked, changed) = (looked + 1, true),
                Some(value) => looked += look(key, value, row.timestamp)?,
                None => {}
            }
        }
        for undo in self.undo.iter().filter(|undo| changed && (from..to).contains(&undo.row)) {
            if let (Some((value, timestamp)), Some((key, _))) = (&undo.before, self.rows.get_index(undo.row)) {
                look(key, value, *timestamp)?;
            }
        }
        cursor.go_on((from > 0).then_some(from));
        Ok(())
    }

    fn commit(&mut self, measure: impl Fn(&K, &V) -> usize) {
        let mut deleted = Vec::new();
        for Undo { row: index, .. } in self.undo.drain(..) {
            if let Some((key, row)) = self.rows.get_index_mut(index) {
                row.dirty = false;
                match &row.value {
                    Some(value) => row.measured(measure(key, value), &mut self.heap),
                    None => deleted.push(index),
                }
            }
        }
        self.remove(deleted);
    }

    fn rollback(&mut self) {
        let mut added = Vec::new();
        for Undo { row: index, before } in self.undo.drain(..) {
            if let Some((_, row)) = self.rows.get_index_mut(index) {
                row.dirty = false;
                match before {
                    Some((value, timestamp)) => {
                        row.value = Some(value);
                        row.timestamp = timestamp;
                    }
                    None => added.push(index),
                }
            }
        }
        self.remove(added);
    }

    fn reserve(&mut self, rows: usize) {
        // A changelog may tell of the same few rows again and again.
        self.rows.reserve(rows.min(15 * self.rows.len()));
    }

    /// Sets or deletes without the undo log: what the changelog says is committed.
    fn restore(&mut self, key: K, value: Option<V>, timestamp: Timestamp, heap: usize) {
        if value.is_none() {
            self.heap -= self.rows.swap_remove(&key).map_or(0, |row| row.heap.into());
            return;
        }
        match self.rows.entry(key) {
            Entry::Occupied(mut entry) => {
                let row = entry.get_mut();
                (row.value, row.timestamp, row.dirty) = (value, timestamp, false);
                row.measured(heap, &mut self.heap);
            }
            Entry::Vacant(entry) => {
                let mut row = Row { value, timestamp, dirty: false, heap: 0 };
                row.measured(heap, &mut self.heap);
                entry.insert(row);
            }
        }
    }

    fn size(&self) -> StoreSize {
        let rows = self.rows.len() as u64;
        let undo = (self.undo.capacity() * size_of::<Undo<V>>()) as u64;
        let before = self.undo.len() as u64 * self.heap.checked_div(rows).unwrap_or(0);
        let bytes = index_map::<(K, Row<V>)>(self.rows.capacity()) + self.heap + undo + before;
        StoreSize { rows, bytes }
    }
}

#[cfg(test)]
mod tests {
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
}
