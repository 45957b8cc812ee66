use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use super::kept::{KeyedRows, Row};
use super::memory::b_tree;
use super::snapshot::Look;
use super::{FlushError, SnapshotCursor, StoreSize};
use crate::record::Timestamp;

/// Rows in the order of their keys, with the undo log of what changed since the last commit.
///
/// As in [`Rows`](super::rows::Rows) a deleted row stays, empty, until the commit.
pub(crate) struct OrderedRows<K, V> {
    rows: BTreeMap<K, Row<V>>,
    undo: Vec<Undo<K, V>>,
    /// The sum of what the rows have on the heap.
    heap: u64,
}

struct Undo<K, V> {
    key: K,
    before: Option<(V, Timestamp)>,
}

impl<K, V> Default for OrderedRows<K, V> {
    fn default() -> Self {
        OrderedRows { rows: BTreeMap::new(), undo: Vec::new(), heap: 0 }
    }
}

impl<K: Ord + Clone, V> OrderedRows<K, V> {
    /// The rows whose keys are in the range, in order; none where it ends before it begins.
    pub(crate) fn range(&self, range: (Bound<&K>, Bound<&K>)) -> impl DoubleEndedIterator<Item = (&K, &V, Timestamp)> {
        let rows = (!is_empty(range)).then(|| self.rows.range(range));
        rows.into_iter().flatten().filter_map(|(key, row)| row.value.as_ref().map(|value| (key, value, row.timestamp)))
    }

    /// The rows from a key on, in order, the key given in a borrowed form.
    pub(crate) fn from<Q: Ord + ?Sized>(&self, from: &Q) -> impl Iterator<Item = (&K, &V, Timestamp)>
    where
        K: std::borrow::Borrow<Q>,
    {
        let rows = self.rows.range::<Q, _>((Bound::Included(from), Bound::Unbounded));
        rows.filter_map(|(key, row)| row.value.as_ref().map(|value| (key, value, row.timestamp)))
    }
}

impl<K: Ord + Clone, V> KeyedRows<K, V> for OrderedRows<K, V> {
    /// Sets or, with `None`, deletes.
    fn put(&mut self, key: K, value: Option<V>, timestamp: Timestamp) {
        match self.rows.get_mut(&key) {
            Some(row) => {
                let before = std::mem::replace(&mut row.value, value);
                if !row.is_dirty() {
                    row.set_dirty();
                    self.undo.push(Undo { key, before: before.map(|value| (value, row.timestamp)) });
                }
                row.timestamp = timestamp;
            }
            None => {
                if value.is_some() {
                    self.undo.push(Undo { key: key.clone(), before: None });
                    let mut row = Row::new(value, timestamp, 0);
                    row.set_dirty();
                    self.rows.insert(key, row);
                }
            }
        }
    }

    fn get(&self, key: &K) -> Option<(&V, Timestamp)> {
        let row = self.rows.get(key)?;
        row.value.as_ref().map(|value| (value, row.timestamp))
    }

    /// Changes a value, `None` where there is none, and its time in place.
    fn update<R>(&mut self, key: &K, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
        V: Clone,
    {
        let row = match self.rows.get_mut(key) {
            Some(row) => {
                if !row.is_dirty() {
                    // Clones that panic leave the row unchanged.
                    let before = row.value.clone().map(|value| (value, row.timestamp));
                    self.undo.push(Undo { key: key.clone(), before });
                    row.set_dirty();
                }
                row
            }
            None => {
                self.undo.push(Undo { key: key.clone(), before: None });
                let mut row = Row::new(None, Timestamp::MIN, 0);
                row.set_dirty();
                self.rows.entry(key.clone()).or_insert(row)
            }
        };
        row.change(change)
    }

    /// The rows that changed since the last commit, in the order of their first change: key, value or `None` if deleted,
    /// time.
    fn changed<'a>(&'a self) -> impl Iterator<Item = (&'a K, Option<&'a V>, Timestamp)>
    where
        K: 'a,
        V: 'a,
    {
        self.undo.iter().filter_map(|Undo { key, before }| {
            let row = self.rows.get(key)?;
            // A row made and deleted within one commit was never in the changelog, and is not written.
            let never_seen = before.is_none() && row.value.is_none();
            (!never_seen).then_some((key, row.value.as_ref(), row.timestamp))
        })
    }

    fn committed(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        look: &mut Look<'_, K, V>,
    ) -> Result<(), FlushError>
    where
        K: 'static,
    {
        let after = cursor.place::<K>().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = self.rows.range((after, Bound::Unbounded));
        let (mut last, mut looked, mut changed) = (None, 0, false);
        while looked < rows_max.max(1)
            && let Some((key, row)) = rows.next()
        {
            last = Some(key);
            match &row.value {
                _ if row.is_dirty() => (looked, changed) = (looked + 1, true),
                Some(value) => looked += look(key, value, row.timestamp)?,
                None => {}
            }
        }
        let Some(last) = last else {
            cursor.go_on(None::<K>);
            return Ok(());
        };
        let range = (after, Bound::Included(last));
        for Undo { key, before } in self.undo.iter().filter(|undo| changed && range.contains(&&undo.key)) {
            if let Some((value, timestamp)) = before {
                look(key, value, *timestamp)?;
            }
        }
        let next = rows.next().map(|_| last.clone());
        cursor.go_on(next);
        Ok(())
    }

    fn commit(&mut self, measure: impl Fn(&K, &V) -> usize) {
        for Undo { key, .. } in self.undo.drain(..) {
            if let Some(row) = self.rows.get_mut(&key) {
                row.set_clean();
                match &row.value {
                    Some(value) => row.measured(measure(&key, value), &mut self.heap),
                    None => {
                        self.heap -= row.heap();
                        self.rows.remove(&key);
                    }
                }
            }
        }
    }

    fn rollback(&mut self) {
        for Undo { key, before } in self.undo.drain(..) {
            match (before, self.rows.get_mut(&key)) {
                (Some((value, timestamp)), Some(row)) => {
                    (row.value, row.timestamp) = (Some(value), timestamp);
                    row.set_clean();
                }
                _ => drop(self.rows.remove(&key)),
            }
        }
    }

    /// Sets or deletes without the undo log: what the changelog says is committed.
    fn restore(&mut self, key: K, value: Option<V>, timestamp: Timestamp, heap: usize) {
        let before = match value {
            Some(_) => {
                let mut row = Row::new(value, timestamp, 0);
                let mut added = 0;
                row.measured(heap, &mut added);
                let before = self.rows.insert(key, row);
                self.heap += added;
                before
            }
            None => self.rows.remove(&key),
        };
        self.heap -= before.map_or(0, |row| row.heap());
    }

    fn size(&self) -> StoreSize {
        let rows = self.rows.len() as u64;
        let undo = (self.undo.capacity() * size_of::<Undo<K, V>>()) as u64;
        let before = self.undo.len() as u64 * self.heap.checked_div(rows).unwrap_or(0);
        StoreSize { rows, bytes: b_tree::<(K, Row<V>)>(self.rows.len()) + self.heap + undo + before }
    }
}

/// Whether it ends before it begins, for which `BTreeMap::range` panics.
fn is_empty<K: Ord>((start, end): (Bound<&K>, Bound<&K>)) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => start >= end,
    }
}
