use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;
use std::ops::Bound;
use std::rc::Rc;

use indexmap::IndexMap;

use super::StoreSize;
use super::memory::{b_tree, index_map};
use crate::record::Timestamp;

/// Records by key and time, several of each allowed, with what was added since the last commit.
///
/// A key's records lie together in the order of their times, so that those around a time are found by halving; beside
/// them lies an index by time, so that expired ones are found without a look at the others.
pub(crate) struct JoinRows<K, V> {
    by_key: IndexMap<Rc<K>, VecDeque<Row<V>>, foldhash::fast::FixedState>,
    by_time: BTreeMap<Arrival, (Rc<K>, u32)>,
    /// What the next record gets in [`Arrival`].
    next: u64,
    added: Vec<Arrival>,
    /// The sum of what the records have on the heap, and of the room in the lists.
    heap: u64,
    slots: usize,
}

/// A record's time, and how many came before it: tells all records apart.
pub(crate) type Arrival = (Timestamp, u64);

struct Row<V> {
    timestamp: Timestamp,
    /// Tells records of one key and time apart, in the order in which they came.
    number: u32,
    /// What its value has on the heap, once it is committed.
    heap: u32,
    arrival: u64,
    value: V,
}

impl<V> Row<V> {
    fn place(&self) -> (Timestamp, u32) {
        (self.timestamp, self.number)
    }
}

impl<K, V> Default for JoinRows<K, V> {
    fn default() -> Self {
        JoinRows {
            by_key: IndexMap::default(),
            by_time: BTreeMap::new(),
            next: 0,
            added: Vec::new(),
            heap: 0,
            slots: 0,
        }
    }
}

impl<K: Hash + Eq, V> JoinRows<K, V> {
    /// The largest time of a record; it is never expired, so it comes back with the rows after a restart or an abort.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.by_time.last_key_value().map(|((timestamp, _), _)| *timestamp)
    }

    pub(crate) fn put(&mut self, key: K, value: V, timestamp: Timestamp) -> (Rc<K>, u32) {
        let index = self.index_of(key);
        let rows = &self.by_key[index];
        let after = rows.partition_point(|row| row.timestamp <= timestamp);
        let before = after.checked_sub(1).map(|before| &rows[before]).filter(|row| row.timestamp == timestamp);
        let number = before.map_or(0, |row| row.number.wrapping_add(1));
        self.added.push((timestamp, self.next));
        (self.insert(index, value, timestamp, number, 0), number)
    }

    pub(crate) fn fetch<E>(
        &self,
        key: &K,
        from: Timestamp,
        to: Timestamp,
        mut take: impl FnMut(&Rc<K>, Timestamp, u32, &V) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((_, key, rows)) = self.by_key.get_full(key) else {
            return Ok(());
        };
        let first = rows.partition_point(|row| row.timestamp < from);
        let found = rows.range(first..).take_while(|row| row.timestamp <= to);
        found.into_iter().try_for_each(|row| take(key, row.timestamp, row.number, &row.value))
    }

    /// The records of that key and time from a number on.
    pub(crate) fn duplicates(&self, key: &K, timestamp: Timestamp, from: u32) -> impl Iterator<Item = &V> {
        let rows = self
            .by_key
            .get(key)
            .into_iter()
            .flat_map(move |rows| rows.range(rows.partition_point(|row| row.place() < (timestamp, from))..));
        rows.take_while(move |row| row.timestamp == timestamp).map(|row| &row.value)
    }

    /// The records that were added since the last commit.
    pub(crate) fn added(&self) -> impl Iterator<Item = (&K, Timestamp, u32, &V)> {
        self.added.iter().filter_map(|arrival| {
            let (key, number) = self.by_time.get(arrival)?;
            let rows = self.by_key.get(key)?;
            let row = rows.get(rows.partition_point(|row| row.place() < (arrival.0, *number)))?;
            Some((&**key, row.timestamp, row.number, &row.value))
        })
    }

    /// The committed records that come after an arrival, by time: the arrival, key, time, number, and value.
    pub(crate) fn committed_after(
        &self,
        after: Option<Arrival>,
    ) -> impl Iterator<Item = (Arrival, &K, Timestamp, u32, &V)> {
        let first_added = self.next - self.added.len() as u64;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let committed = self.by_time.range((from, Bound::Unbounded)).filter(move |(at, _)| at.1 < first_added);
        committed.filter_map(|(arrival, (key, number))| {
            let rows = self.by_key.get(key)?;
            let row = rows.get(rows.partition_point(|row| row.place() < (arrival.0, *number)))?;
            Some((*arrival, &**key, row.timestamp, row.number, &row.value))
        })
    }

    /// The records older than `time` that were there at the last commit.
    pub(crate) fn in_changelog_before(&self, time: Timestamp) -> impl Iterator<Item = (&K, Timestamp, u32)> {
        let first_added = self.next - self.added.len() as u64;
        let older = self.by_time.range(..(time, 0)).filter(move |((_, arrival), _)| *arrival < first_added);
        older.map(|((timestamp, _), (key, number))| (&**key, *timestamp, *number))
    }

    /// `measure` says what a value has on the heap.
    pub(crate) fn commit(&mut self, measure: impl Fn(&K, &V) -> usize) {
        for arrival in self.added.drain(..) {
            let Some((key, number)) = self.by_time.get(&arrival) else { continue };
            let Some(rows) = self.by_key.get_mut(key) else { continue };
            let at = rows.partition_point(|row| row.place() < (arrival.0, *number));
            if let Some(row) = rows.get_mut(at) {
                row.heap = u32::try_from(measure(key, &row.value)).unwrap_or(u32::MAX);
                self.heap += u64::from(row.heap);
            }
        }
    }

    /// How many bytes all of it takes, when keys have so many on the heap; and how many records there are.
    pub(crate) fn size(&self, key_heap: u64) -> StoreSize {
        let keys = self.by_key.len() as u64 * (16 + size_of::<K>() as u64 + key_heap);
        let lists = (self.slots * size_of::<Row<V>>() + self.added.capacity() * size_of::<Arrival>()) as u64;
        let by_time = b_tree::<(Arrival, (Rc<K>, u32))>(self.by_time.len());
        let bytes = index_map::<(Rc<K>, VecDeque<Row<V>>)>(self.by_key.capacity()) + keys + lists + by_time + self.heap;
        StoreSize { rows: self.by_time.len() as u64, bytes }
    }

    /// Removes the records older than `time`; there must be none that were added since the last commit.
    pub(crate) fn remove_before(&mut self, time: Timestamp) {
        while let Some(entry) = self.by_time.first_entry()
            && entry.key().0 < time
        {
            let (key, _) = entry.remove();
            // Of one key the oldest is first.
            if let Some(rows) = self.by_key.get_mut(&key) {
                self.heap -= rows.pop_front().map_or(0, |row| row.heap.into());
                if rows.is_empty() {
                    self.slots -= rows.capacity();
                    self.by_key.swap_remove(&key);
                }
            }
        }
    }

    pub(crate) fn rollback(&mut self) {
        for arrival in std::mem::take(&mut self.added) {
            if let Some((key, number)) = self.by_time.remove(&arrival) {
                self.remove_row(&key, arrival.0, number);
            }
        }
    }

    /// Sets or deletes one record: what the changelog says is committed.
    pub(crate) fn restore(&mut self, key: K, value: Option<V>, timestamp: Timestamp, number: u32, heap: u32) {
        if let Some(row) = self.remove_row(&key, timestamp, number) {
            self.by_time.remove(&(timestamp, row.arrival));
        }
        if let Some(value) = value {
            self.heap += heap as u64;
            let index = self.index_of(key);
            self.insert(index, value, timestamp, number, heap);
        }
    }

    /// The place of the key's records, made if there are none.
    fn index_of(&mut self, key: K) -> usize {
        match self.by_key.get_index_of(&key) {
            Some(index) => index,
            None => self.by_key.insert_full(Rc::new(key), VecDeque::new()).0,
        }
    }

    fn insert(&mut self, index: usize, value: V, timestamp: Timestamp, number: u32, heap: u32) -> Rc<K> {
        let arrival = self.next;
        self.next += 1;
        let key = self.by_key.keys()[index].clone();
        self.by_time.insert((timestamp, arrival), (key.clone(), number));
        let rows = &mut self.by_key[index];
        let at = rows.partition_point(|row| row.place() < (timestamp, number));
        let before = rows.capacity();
        rows.insert(at, Row { timestamp, number, heap, arrival, value });
        self.slots += rows.capacity() - before;
        key
    }

    fn remove_row(&mut self, key: &K, timestamp: Timestamp, number: u32) -> Option<Row<V>> {
        let rows = self.by_key.get_mut(key)?;
        let at = rows.partition_point(|row| row.place() < (timestamp, number));
        if rows.get(at)?.place() != (timestamp, number) {
            return None;
        }
        let row = rows.remove(at);
        self.heap -= row.as_ref().map_or(0, |row| row.heap.into());
        if rows.is_empty() {
            self.slots -= rows.capacity();
            self.by_key.swap_remove(key);
        }
        row
    }
}

#[cfg(test)]
mod tests {
    use super::JoinRows;

    fn fetched(rows: &JoinRows<&'static str, i32>, key: &'static str, from: i64, to: i64) -> Vec<(i64, i32)> {
        let mut found = Vec::new();
        let all: Result<(), ()> = rows.fetch(&key, from, to, |_, timestamp, _, value| {
            found.push((timestamp, *value));
            Ok(())
        });
        all.unwrap();
        found
    }

    #[test]
    fn records_come_by_time_and_duplicates_as_they_came() {
        let mut rows = JoinRows::default();
        let numbers: Vec<u32> =
            [(5, 1), (3, 2), (5, 3), (9, 4), (5, 5)].map(|(time, value)| rows.put("a", value, time).1).into();
        assert_eq!(numbers, [0, 0, 1, 0, 2]);
        rows.put("b", 6, 5);
        assert_eq!(fetched(&rows, "a", 3, 5), [(3, 2), (5, 1), (5, 3), (5, 5)]);
        assert_eq!(fetched(&rows, "a", 6, 100), [(9, 4)]);
        assert_eq!(rows.duplicates(&"a", 5, 1).collect::<Vec<_>>(), [&3, &5]);
        assert_eq!(rows.newest(), Some(9));
    }

    #[test]
    fn a_rollback_takes_back_what_was_added() {
        let mut rows = JoinRows::default();
        rows.put("a", 1, 5);
        rows.commit(|_, _| 0);
        rows.put("a", 2, 5);
        rows.put("a", 3, 4);
        rows.put("b", 4, 90);
        assert_eq!(
            rows.added().map(|(key, time, number, value)| (*key, time, number, *value)).collect::<Vec<_>>(),
            [("a", 5, 1, 2), ("a", 4, 0, 3), ("b", 90, 0, 4)]
        );
        rows.rollback();
        assert_eq!(fetched(&rows, "a", 0, 100), [(5, 1)]);
        assert_eq!((rows.newest(), rows.by_key.len(), rows.by_time.len()), (Some(5), 1, 1));
        assert_eq!(rows.added().count(), 0);
    }

    #[test]
    fn what_is_older_goes_and_only_what_the_changelog_has_is_told() {
        let mut rows = JoinRows::default();
        rows.put("a", 1, 1);
        rows.put("a", 2, 2);
        rows.put("b", 3, 1);
        rows.commit(|_, _| 0);
        rows.put("a", 4, 1);
        assert_eq!(rows.in_changelog_before(2).collect::<Vec<_>>(), [(&"a", 1, 0), (&"b", 1, 0)]);
        rows.commit(|_, _| 0);
        rows.remove_before(2);
        assert_eq!(fetched(&rows, "a", 0, 9), [(2, 2)]);
        assert_eq!((rows.by_key.len(), rows.by_time.len()), (1, 1));
    }

    #[test]
    fn a_restore_sets_replaces_and_deletes() {
        let mut rows = JoinRows::default();
        rows.restore("a", Some(1), 5, 0, 0);
        rows.restore("a", Some(2), 5, 1, 0);
        rows.restore("a", Some(3), 5, 0, 0);
        rows.restore("b", Some(4), 6, 0, 0);
        rows.restore("b", None, 6, 0, 0);
        assert_eq!(fetched(&rows, "a", 0, 9), [(5, 3), (5, 2)]);
        assert_eq!((rows.by_key.len(), rows.by_time.len(), rows.newest()), (1, 2, Some(5)));
        assert_eq!(rows.put("a", 5, 5).1, 2);
        assert_eq!(rows.added().count(), 1);
    }
}
