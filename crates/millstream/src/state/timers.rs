use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::kept::KeyedRows;
use super::memory::{Measure, b_tree};
use super::rows::Rows;
use super::write::RowWriter;
use super::{Connect, FlushError, SnapshotCursor, StateStore, Store, StoreId, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{Serde, SerdeError};
use crate::time::{Clock, PunctuationType};

/// A timer: a key, and when it is to fire, in ms by the clock of its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timer<K> {
    /// The key that it was set for.
    pub key: K,
    /// When it was to fire; the time that has come may be later.
    pub at: Timestamp,
}

/// Timers of keys, kept as all state is: in the changelog, restored, and rolled back.
///
/// A timer is a key and a time, so a key may have several; setting one that is set already changes nothing. Each fires once, in
/// the transaction that takes it out. The handle is cheap to clone; a processor keeps one.
///
/// In the changelog a row is a key with all its timers: for each the time in ms and a number that says which was set first,
/// both eight bytes big-endian.
pub struct TimerStore<K> {
    id: StoreId,
    inner: Rc<TimerRows<K>>,
}

/// The store itself, shared by its handles and its task.
pub(crate) struct TimerRows<K> {
    store: Store<K, Vec<Set>>,
    kind: PunctuationType,
    clock: Clock,
    has_owner: Cell<bool>,
    measure: Measure<K, Vec<Set>>,
    timers: RefCell<Timers<K>>,
}

struct Timers<K> {
    rows: Rows<K, Vec<Set>>,
    /// All timers of the rows, in the order in which they fire.
    due: BTreeMap<Set, K>,
    /// The number of the next one to be set. It is not rolled back: numbers only say which of two was first.
    next: u64,
}

/// A timer of a key that is known: when it fires, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Set {
    at: Timestamp,
    number: u64,
}

impl<K: Hash + Eq + Clone + 'static> TimerStore<K> {
    pub(crate) fn new(id: StoreId, name: Arc<str>, key: impl Serde<K>, kind: PunctuationType, clock: &Clock) -> Self {
        let timers = RefCell::new(Timers { rows: Rows::default(), due: BTreeMap::new(), next: 0 });
        let store = Store::new(name, key, SetList);
        let (clock, has_owner) = (clock.clone(), Cell::new(false));
        let measure = Measure::new(store.key.clone(), store.value.clone());
        TimerStore { id, inner: Rc::new(TimerRows { store, kind, clock, has_owner, measure, timers }) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    /// By which clock they fire.
    pub(crate) fn kind(&self) -> PunctuationType {
        self.inner.kind
    }

    /// Says that a processor has them fire. Returns whether it is the first.
    pub(crate) fn take_ownership(&self) -> bool {
        !self.inner.has_owner.replace(true)
    }

    /// Sets a timer of the key for `at` (ms). One for a time that has come already fires once the record is processed.
    pub fn set(&self, key: K, at: Timestamp) {
        let Timers { rows, due, next } = &mut *self.inner.timers.borrow_mut();
        if rows.get(&key).is_some_and(|(set, _)| set.iter().any(|set| set.at == at)) {
            return;
        }
        let set = Set { at, number: *next };
        *next += 1;
        rows.update(&key, |timers, timestamp| {
            timers.get_or_insert_default().push(set);
            *timestamp = self.inner.changed_at();
        });
        due.insert(set, key);
    }

    /// Cancels all timers of the key.
    pub fn cancel(&self, key: &K) {
        self.remove(key, |_| true);
    }

    /// Cancels the key's timer for `at` (ms), if there is one.
    pub fn cancel_at(&self, key: &K, at: Timestamp) {
        self.remove(key, |set| set.at == at);
    }

    /// When the key's timers fire (ms), the earliest first.
    pub fn of(&self, key: &K) -> Vec<Timestamp> {
        let timers = self.inner.timers.borrow();
        let set = timers.rows.get(key).map_or(&[][..], |(set, _)| set);
        let mut times: Vec<Timestamp> = set.iter().map(|set| set.at).collect();
        times.sort_unstable();
        times
    }

    /// When the next one fires; `MAX` for none.
    pub(crate) fn next_due(&self) -> Timestamp {
        self.inner.timers.borrow().due.first_key_value().map_or(Timestamp::MAX, |(set, _)| set.at)
    }

    /// Fires all that are due by `time`, in the order of their times and then of their setting: each is taken out, then
    /// handed to `fire`. One that `fire` cancels does not fire any more, and one that it sets fires in another round.
    pub(crate) fn fire<E>(&self, time: Timestamp, mut fire: impl FnMut(Timer<K>) -> Result<(), E>) -> Result<(), E> {
        let due: Vec<(Set, K)> = {
            let timers = self.inner.timers.borrow();
            let last = Set { at: time, number: u64::MAX };
            timers.due.range(..=last).map(|(set, key)| (*set, key.clone())).collect()
        };
        for (set, key) in due {
            if self.remove(&key, |other| *other == set) {
                fire(Timer { key, at: set.at })?;
            }
        }
        Ok(())
    }

    /// Removes some of the key's timers; returns whether there were any.
    fn remove(&self, key: &K, mut which: impl FnMut(&Set) -> bool) -> bool {
        let Timers { rows, due, .. } = &mut *self.inner.timers.borrow_mut();
        if !rows.get(key).is_some_and(|(set, _)| set.iter().any(&mut which)) {
            return false;
        }
        rows.update(key, |timers, timestamp| {
            if let Some(set) = timers {
                set.retain(|set| {
                    let removed = which(set);
                    if removed {
                        due.remove(set);
                    }
                    !removed
                });
            }
            timers.take_if(|set| set.is_empty());
            *timestamp = self.inner.changed_at();
        });
        true
    }
}

impl<K> TimerRows<K> {
    /// The time of a row that is changed now.
    fn changed_at(&self) -> Timestamp {
        self.clock.now().max(0)
    }
}

impl<K> Clone for TimerStore<K> {
    fn clone(&self) -> Self {
        TimerStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K> Connect for TimerStore<K> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}

impl<K: Hash + Eq + Clone + 'static> StateStore for TimerRows<K> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.key.check_writable()
    }

    fn flush(&self, _stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let timers = self.timers.borrow();
        let mut writer = RowWriter::new(&self.store, write);
        timers.rows.changed().try_for_each(|(key, set, timestamp)| writer.write(key, set, timestamp))
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.timers.borrow_mut().rows.commit(|key, set| self.measure.row(key, set));
    }

    fn rollback(&self) {
        let Timers { rows, due, .. } = &mut *self.timers.borrow_mut();
        for (key, before, now, _) in rows.changes() {
            for set in now.into_iter().flatten() {
                due.remove(set);
            }
            for set in before.into_iter().flatten() {
                due.insert(*set, key.clone());
            }
        }
        rows.rollback();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let timers = self.timers.borrow();
        RowWriter::new(&self.store, write).write_committed(&timers.rows, cursor, rows_max)
    }

    fn size(&self) -> StoreSize {
        let timers = self.timers.borrow();
        let (mut size, due) = (timers.rows.size(), timers.due.len());
        size.bytes += b_tree::<(Set, K)>(due) + due as u64 * self.measure.average_key();
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let key = self.store.key.decode(record.key.unwrap_or_default())?;
        let set = record.value.map(|bytes| SetList.decode(bytes)).transpose()?;
        let Timers { rows, due, next } = &mut *self.timers.borrow_mut();
        for before in rows.get(&key).map_or(&[][..], |(set, _)| set) {
            due.remove(before);
        }
        for set in set.iter().flatten() {
            due.insert(*set, key.clone());
            *next = (*next).max(set.number + 1);
        }
        let heap = set.as_ref().map_or(0, |set| self.measure.row(&key, set));
        rows.restore(key, set, record.timestamp, heap);
        Ok(())
    }
}

/// All timers of one key.
struct SetList;

impl Serde<Vec<Set>> for SetList {
    fn encode(&self, set: &Vec<Set>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        for Set { at, number } in set {
            out.extend_from_slice(&at.to_be_bytes());
            out.extend_from_slice(&number.to_be_bytes());
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<Set>, SerdeError> {
        let (timers, rest) = bytes.as_chunks::<16>();
        if !rest.is_empty() {
            return Err(SerdeError::new(format!("found {} bytes; timers have 16 bytes each", bytes.len())));
        }
        let decode = |timer: &[u8; 16]| {
            let number = u128::from_be_bytes(*timer);
            Set { at: (number >> 64) as i64, number: number as u64 }
        };
        Ok(timers.iter().map(decode).collect())
    }

    fn heap_bytes(&self, set: &Vec<Set>) -> Option<usize> {
        Some(set.capacity() * size_of::<Set>())
    }
}
