use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::Store;
use super::memory::{hash_map, lists_by_time};
use crate::record::Timestamp;
use crate::time::Clock;

/// How long the rows of a store live, and when to look which ones are to go.
///
/// What is seen follows from a row's timestamp and the task's time alone. The schedule only says which rows a commit must look
/// at; it knows committed rows alone, so a rollback leaves it as it is.
pub(crate) struct TimeToLive<K> {
    time_to_live_ms: i64,
    clock: Clock,
    schedule: RefCell<Schedule<K>>,
}

/// Each key is in it once, at a time that is never later than the end of its row: a change that moves the end on costs
/// nothing until then.
struct Schedule<K> {
    due: BTreeMap<Timestamp, Vec<K>>,
    /// Where each key is in `due`. An entry at another time was replaced by an earlier one, and says nothing.
    at: HashMap<K, Timestamp, foldhash::fast::FixedState>,
}

impl<K> TimeToLive<K> {
    /// Whether a row that was changed at `timestamp` is seen at the task's time.
    pub(crate) fn is_alive(&self, timestamp: Timestamp) -> bool {
        self.is_alive_at(timestamp, self.clock.now())
    }

    pub(crate) fn is_alive_at(&self, timestamp: Timestamp, now: Timestamp) -> bool {
        self.end(timestamp) > now
    }

    /// What it takes, when keys have so many bytes on the heap.
    pub(crate) fn bytes(&self, key_heap: u64) -> u64 {
        let Schedule { due, at } = &*self.schedule.borrow();
        let keys = 2 * at.len() as u64 * key_heap;
        hash_map::<(K, Timestamp)>(at.capacity()) + lists_by_time::<K>(due.len(), at.len()) + keys
    }

    fn end(&self, timestamp: Timestamp) -> Timestamp {
        timestamp.saturating_add(self.time_to_live_ms)
    }
}

impl<K: Hash + Eq + Clone> TimeToLive<K> {
    /// `None` for a store whose rows live until they are deleted.
    pub(crate) fn of<V>(store: &Store<K, V>, clock: &Clock) -> Option<Self> {
        let time_to_live_ms = store.options.time_to_live_ms?;
        let schedule = RefCell::new(Schedule { due: BTreeMap::new(), at: HashMap::default() });
        Some(TimeToLive { time_to_live_ms, clock: clock.clone(), schedule })
    }

    /// Calls `change` with a row as it is seen: without a value when its time is up.
    pub(crate) fn change<V, R>(
        &self,
        value: &mut Option<V>,
        timestamp: &mut Timestamp,
        change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R,
    ) -> R {
        if self.is_alive(*timestamp) {
            return change(value, timestamp);
        }
        *value = None;
        let before = std::mem::replace(timestamp, Timestamp::MIN);
        let result = change(value, timestamp);
        if value.is_none() {
            // It goes as a row whose time is up, and its tombstone has its time.
            *timestamp = before;
        }
        result
    }

    /// Notes that a row with this timestamp is committed.
    pub(crate) fn note(&self, key: &K, timestamp: Timestamp) {
        let end = self.end(timestamp);
        let Schedule { due, at } = &mut *self.schedule.borrow_mut();
        if at.get(key).is_some_and(|at| *at <= end) {
            return;
        }
        // An entry here alone says nothing.
        due.entry(end).or_default().push(key.clone());
        match at.get_mut(key) {
            Some(at) => *at = end,
            None => drop(at.insert(key.clone(), end)),
        }
    }

    /// Looks at the keys whose rows may have to go at `now`.
    pub(crate) fn for_each_due<E>(&self, now: Timestamp, mut look: impl FnMut(&K) -> Result<(), E>) -> Result<(), E> {
        let Schedule { due, at } = &*self.schedule.borrow();
        let keys = due.range(..=now).flat_map(|(time, keys)| keys.iter().map(move |key| (time, key)));
        keys.filter(|(time, key)| at.get(key) == Some(time)).try_for_each(|(_, key)| look(key))
    }

    /// The same keys, taken out: those whose rows stay are to be noted again.
    pub(crate) fn take_due(&self, now: Timestamp) -> Vec<K> {
        let Schedule { due, at } = &mut *self.schedule.borrow_mut();
        let mut taken = Vec::new();
        while let Some(entry) = due.first_entry().filter(|entry| *entry.key() <= now) {
            let (time, keys) = entry.remove_entry();
            taken.extend(keys.into_iter().filter(|key| at.get(key) == Some(&time)));
        }
        for key in &taken {
            at.remove(key);
        }
        taken
    }
}
