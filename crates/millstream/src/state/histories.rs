use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use indexmap::IndexMap;

use super::memory::{index_map, lists_by_time};
use super::versioned::VersionedPut;
use super::{FlushError, SnapshotCursor, StoreSize};
use crate::record::Timestamp;

/// The versions of each key's value, with the undo log of what changed since the last commit.
pub(crate) struct Histories<K, V> {
    /// For each key its versions, the oldest first.
    rows: IndexMap<K, Vec<Version<V>>, foldhash::fast::FixedState>,
    undo: Vec<Undo<V>>,
    /// Keys by the times of their versions: once one is out of the retention, the versions before it are.
    due: BTreeMap<Timestamp, Vec<K>>,
    /// How long, in ms, a version is seen after the next one.
    retention_ms: i64,
    /// The largest timestamp put, as Kafka Streams' store has it. It is that of a row of the changelog, so a restore finds it.
    observed: Timestamp,
    committed_observed: Timestamp,
    /// The sum of what the versions have on the heap, how many there are, and the room for them.
    heap: u64,
    count: usize,
    slots: usize,
}

/// A value, or that there is none, from a time on.
pub(crate) struct Version<V> {
    pub(crate) timestamp: Timestamp,
    pub(crate) value: Option<V>,
    state: State,
    /// What its value has on the heap, as of the last commit.
    heap: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Committed,
    Changed,
    /// Not in the changelog yet.
    Added,
}

struct Undo<V> {
    row: usize,
    timestamp: Timestamp,
    /// `None` for a version that was not there.
    before: Option<Option<V>>,
}

impl<K: Hash + Eq, V> Histories<K, V> {
    /// What is older is neither put nor seen.
    fn horizon(&self) -> Timestamp {
        self.observed.saturating_sub(self.retention_ms)
    }

    /// The latest version of a key.
    pub(crate) fn latest(&self, key: &K) -> Option<&Version<V>> {
        self.rows.get(key)?.last()
    }

    /// The version of a key that was valid at that time, and until when it is.
    pub(crate) fn as_of(&self, key: &K, timestamp: Timestamp) -> Option<(&Version<V>, Option<Timestamp>)> {
        let versions = self.rows.get(key)?;
        let next = versions.partition_point(|version| version.timestamp <= timestamp);
        let valid_to = versions.get(next).map(|version| version.timestamp);
        if valid_to.is_some() && timestamp < self.horizon() {
            return None;
        }
        Some((versions.get(next.checked_sub(1)?)?, valid_to))
    }
}

impl<K: Hash + Eq + Clone, V> Histories<K, V> {
    pub(crate) fn new(retention_ms: i64) -> Self {
        Histories {
            rows: IndexMap::default(),
            undo: Vec::new(),
            due: BTreeMap::new(),
            retention_ms,
            observed: Timestamp::MIN,
            committed_observed: Timestamp::MIN,
            heap: 0,
            count: 0,
            slots: 0,
        }
    }

    pub(crate) fn put(&mut self, key: K, value: Option<V>, timestamp: Timestamp) -> VersionedPut {
        if timestamp < self.horizon() {
            return VersionedPut::TooLate;
        }
        self.observed = self.observed.max(timestamp);
        let entry = self.rows.entry(key.clone());
        let row = entry.index();
        let versions = entry.or_default();
        let index = match versions.binary_search_by_key(&timestamp, |version| version.timestamp) {
            Ok(index) => {
                let version = &mut versions[index];
                let before = std::mem::replace(&mut version.value, value);
                if version.state == State::Committed {
                    version.state = State::Changed;
                    self.undo.push(Undo { row, timestamp, before: Some(before) });
                }
                index
            }
            Err(index) => {
                self.due.entry(timestamp).or_default().push(key);
                let before = versions.capacity();
                versions.insert(index, Version { timestamp, value, state: State::Added, heap: 0 });
                self.count += 1;
                self.slots += versions.capacity() - before;
                self.undo.push(Undo { row, timestamp, before: None });
                index
            }
        };
        match versions.get(index + 1) {
            None => VersionedPut::Latest,
            Some(next) => VersionedPut::Superseded { valid_to: next.timestamp },
        }
    }

    /// How many versions of a key, from the oldest on, nothing can ask for any more: those whose next one is out of the
    /// retention, and after them one that says that there is no value. The newest of all versions always stays: a restore
    /// takes the time that was observed from it.
    fn expired(&self, versions: &[Version<V>]) -> usize {
        let horizon = self.horizon();
        let superseded = versions.partition_point(|version| version.timestamp < horizon).saturating_sub(1);
        match versions.get(superseded) {
            Some(version) if version.timestamp < horizon && version.value.is_none() => superseded + 1,
            _ => superseded,
        }
    }

    /// The rows with versions that may be expired.
    fn due_rows(&self) -> BTreeSet<usize> {
        let keys = self.due.range(..self.horizon()).flat_map(|(_, keys)| keys);
        keys.filter_map(|key| self.rows.get_index_of(key)).collect()
    }

    /// What is to be written: key, time, and the version; without one where it is to be deleted.
    pub(crate) fn changed<E>(
        &self,
        mut write: impl FnMut(&K, Timestamp, Option<&Version<V>>) -> Result<(), E>,
    ) -> Result<(), E> {
        for Undo { row, timestamp, .. } in &self.undo {
            let Some((key, versions)) = self.rows.get_index(*row) else { continue };
            let alive = &versions[self.expired(versions)..];
            if let Ok(index) = alive.binary_search_by_key(timestamp, |version| version.timestamp) {
                write(key, *timestamp, Some(&alive[index]))?;
            }
        }
        for row in self.due_rows() {
            let Some((key, versions)) = self.rows.get_index(row) else { continue };
            let expired = versions[..self.expired(versions)].iter();
            for version in expired.filter(|version| version.state != State::Added) {
                write(key, version.timestamp, None)?;
            }
        }
        Ok(())
    }

    /// The next step of a snapshot: key, time, and the value, `None` for that there is none. From the last key down, as
    /// [`Rows`](super::rows::Rows) do.
    pub(crate) fn committed(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        mut look: impl FnMut(&K, Timestamp, Option<&V>) -> Result<(), FlushError>,
    ) -> Result<(), FlushError> {
        let to = cursor.place().map_or(self.rows.len(), |below: &usize| self.rows.len().min(*below));
        let (mut from, mut looked) = (to, 0);
        while from > 0 && looked < rows_max.max(1) {
            from -= 1;
            let Some((key, versions)) = self.rows.get_index(from) else { continue };
            looked += versions.len();
            for version in versions.iter().filter(|version| version.state == State::Committed) {
                look(key, version.timestamp, version.value.as_ref())?;
            }
        }
        for Undo { row, timestamp, before } in self.undo.iter().filter(|undo| (from..to).contains(&undo.row)) {
            if let (Some(value), Some((key, _))) = (before, self.rows.get_index(*row)) {
                look(key, *timestamp, value.as_ref())?;
            }
        }
        cursor.go_on((from > 0).then_some(from));
        Ok(())
    }

    /// How many versions there are, and how many bytes they take, when keys have so many on the heap.
    pub(crate) fn size(&self, key_heap: u64) -> StoreSize {
        let undo = self.undo.capacity() * size_of::<Undo<V>>();
        let due = lists_by_time::<K>(self.due.len(), self.count);
        let keys = (self.rows.len() + self.count) as u64 * key_heap;
        let rows =
            index_map::<(K, Vec<Version<V>>)>(self.rows.capacity()) + (self.slots * size_of::<Version<V>>()) as u64;
        StoreSize { rows: self.count as u64, bytes: rows + undo as u64 + due + keys + self.heap }
    }

    /// `measure` says what a value has on the heap.
    pub(crate) fn commit(&mut self, measure: impl Fn(&K, Option<&V>) -> usize) {
        for Undo { row, timestamp, .. } in std::mem::take(&mut self.undo) {
            let Some((key, versions)) = self.rows.get_index_mut(row) else { continue };
            let index = versions.binary_search_by_key(&timestamp, |version| version.timestamp);
            if let Some(version) = index.ok().and_then(|index| versions.get_mut(index)) {
                version.state = State::Committed;
                let heap = u32::try_from(measure(key, version.value.as_ref())).unwrap_or(u32::MAX);
                self.heap = self.heap - u64::from(version.heap) + u64::from(heap);
                version.heap = heap;
            }
        }
        self.committed_observed = self.observed;
        let rows = self.due_rows();
        let horizon = self.horizon();
        while self.due.first_entry().is_some_and(|entry| *entry.key() < horizon) {
            self.due.pop_first();
        }
        for row in rows.iter().copied() {
            let expired = self.rows.get_index(row).map_or(0, |(_, versions)| self.expired(versions));
            if let Some((_, versions)) = self.rows.get_index_mut(row) {
                self.heap -= versions.drain(..expired).map(|version| u64::from(version.heap)).sum::<u64>();
                self.count -= expired;
            }
        }
        self.remove_empty(rows);
    }

    pub(crate) fn rollback(&mut self) {
        let mut rows = BTreeSet::new();
        for Undo { row, timestamp, before } in std::mem::take(&mut self.undo) {
            rows.insert(row);
            match before {
                Some(value) => {
                    if let Some(version) = self.version(row, timestamp) {
                        (version.value, version.state) = (value, State::Committed);
                    }
                }
                None => {
                    if let Some((_, versions)) = self.rows.get_index_mut(row) {
                        let before = versions.len();
                        versions.retain(|version| version.timestamp != timestamp);
                        self.count -= before - versions.len();
                    }
                }
            }
        }
        self.observed = self.committed_observed;
        self.remove_empty(rows);
    }

    fn version(&mut self, row: usize, timestamp: Timestamp) -> Option<&mut Version<V>> {
        let (_, versions) = self.rows.get_index_mut(row)?;
        let index = versions.binary_search_by_key(&timestamp, |version| version.timestamp).ok()?;
        versions.get_mut(index)
    }

    /// Removes those of the rows that have no versions, from the highest down: each gap is filled with the last row.
    fn remove_empty(&mut self, rows: BTreeSet<usize>) {
        for row in rows.into_iter().rev() {
            if self.rows.get_index(row).is_some_and(|(_, versions)| versions.is_empty()) {
                let room = self.rows.swap_remove_index(row).map_or(0, |(_, versions)| versions.capacity());
                self.slots -= room;
            }
        }
    }

    /// Sets a version without the undo log, or deletes it: what the changelog says is committed.
    pub(crate) fn restore(&mut self, key: K, timestamp: Timestamp, value: Option<Option<V>>, heap: u32) {
        self.observed = self.observed.max(timestamp);
        self.committed_observed = self.observed;
        let Some(value) = value else {
            if let Some(versions) = self.rows.get_mut(&key) {
                let before = versions.len();
                versions.retain(|version| {
                    let stays = version.timestamp != timestamp;
                    self.heap -= if stays { 0 } else { version.heap.into() };
                    stays
                });
                self.count -= before - versions.len();
                if versions.is_empty() {
                    self.slots -= versions.capacity();
                    self.rows.swap_remove(&key);
                }
            }
            return;
        };
        self.due.entry(timestamp).or_default().push(key.clone());
        let versions = self.rows.entry(key).or_default();
        let version = Version { timestamp, value, state: State::Committed, heap };
        self.heap += u64::from(heap);
        match versions.binary_search_by_key(&timestamp, |version| version.timestamp) {
            Ok(index) => self.heap -= u64::from(std::mem::replace(&mut versions[index], version).heap),
            Err(index) => {
                let before = versions.capacity();
                versions.insert(index, version);
                self.count += 1;
                self.slots += versions.capacity() - before;
            }
        }
    }
}
