use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;

use super::kept::KeyedRows;
use super::memory::{Measure, lists_by_time};
use super::rows::Rows;
use super::write::RowWriter;
use super::{Connect, FlushError, SnapshotCursor, StateStore, Store, StoreId, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{SerdeError, append_key, encode};

/// Ids with the time at which they were seen, each until stream time is further by the store's duration. An id that is over
/// counts as not there, whether it is dropped already or not: it is at the next commit, with a tombstone.
pub(crate) struct SeenStore<I> {
    id: StoreId,
    inner: Rc<SeenIds<I>>,
}

struct SeenIds<I> {
    store: Store<I, Timestamp>,
    within_ms: i64,
    ids: RefCell<Rows<I, Timestamp>>,
    measure: Measure<I, Timestamp>,
    /// The ids by the times at which they were seen. One whose row has another time, or none, is out of date.
    by_time: RefCell<BTreeMap<Timestamp, Vec<I>>>,
}

impl<I: Hash + Eq + Clone + 'static> SeenStore<I> {
    pub(crate) fn new(id: StoreId, store: Store<I, Timestamp>, within_ms: i64) -> Self {
        let (ids, by_time) = (RefCell::default(), RefCell::default());
        let measure = Measure::new(store.key.clone(), store.value.clone());
        SeenStore { id, inner: Rc::new(SeenIds { store, within_ms, ids, measure, by_time }) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    /// Whether the id was not seen within the duration of `time`; it is now, unless `time` is over at stream time `now`.
    pub(crate) fn pass(&self, id: I, time: Timestamp, now: Timestamp) -> bool {
        let SeenIds { within_ms, ids, by_time, .. } = &*self.inner;
        if self.inner.is_over(time, now) {
            return true;
        }
        let mut ids = ids.borrow_mut();
        let seen = ids.get(&id).map(|(seen, _)| *seen).filter(|seen| !self.inner.is_over(*seen, now));
        if let Some(seen) = seen {
            if time.abs_diff(seen) < within_ms.unsigned_abs() {
                return false;
            }
            if time < seen {
                return true;
            }
        }
        by_time.borrow_mut().entry(time).or_default().push(id.clone());
        ids.put(id, Some(time), time);
        true
    }
}

impl<I> SeenIds<I> {
    fn is_over(&self, seen: Timestamp, now: Timestamp) -> bool {
        seen.saturating_add(self.within_ms) <= now
    }
}

impl<I> Clone for SeenStore<I> {
    fn clone(&self) -> Self {
        SeenStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<I> Connect for SeenStore<I> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}

impl<I: Hash + Eq + Clone + 'static> StateStore for SeenIds<I> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.key.check_writable()
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut id_bytes, mut time_bytes) = (Vec::new(), Vec::new());
        let ids = self.ids.borrow();
        for (id, seen, timestamp) in ids.changed() {
            if seen.is_some_and(|seen| self.is_over(*seen, stream_time)) {
                continue;
            }
            id_bytes.clear();
            append_key(&*self.store.key, id, &mut id_bytes)?;
            let seen = match seen {
                Some(seen) => encode(&*self.store.value, seen, &mut time_bytes)?,
                None => None,
            };
            write(&id_bytes, seen, timestamp)?;
        }
        for (time, seen) in self.by_time.borrow().iter().take_while(|(time, _)| self.is_over(**time, stream_time)) {
            for id in seen.iter().filter(|id| ids.get(id).is_some_and(|(seen, _)| seen == time)) {
                id_bytes.clear();
                append_key(&*self.store.key, id, &mut id_bytes)?;
                write(&id_bytes, None, *time)?;
            }
        }
        Ok(())
    }

    fn commit(&self, stream_time: Timestamp) {
        let (mut ids, mut by_time) = (self.ids.borrow_mut(), self.by_time.borrow_mut());
        ids.commit(|id, seen| self.measure.row(id, seen));
        while let Some(first) = by_time.first_entry().filter(|first| self.is_over(*first.key(), stream_time)) {
            let (time, seen) = first.remove_entry();
            for id in seen {
                if ids.get(&id).is_some_and(|(seen, _)| *seen == time) {
                    ids.restore(id, None, time, 0);
                }
            }
        }
    }

    fn rollback(&self) {
        self.ids.borrow_mut().rollback();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        RowWriter::new(&self.store, write).write_committed(&*self.ids.borrow(), cursor, rows_max)
    }

    fn size(&self) -> StoreSize {
        let mut size = self.ids.borrow().size();
        let ids = size.rows as usize;
        size.bytes += lists_by_time::<I>(self.by_time.borrow().len(), ids) + size.rows * self.measure.average_key();
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let id = self.store.key.decode(record.key.unwrap_or_default())?;
        let seen = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        let mut ids = self.ids.borrow_mut();
        if let Some(seen) = seen
            && ids.get(&id).is_none_or(|(before, _)| *before != seen)
        {
            self.by_time.borrow_mut().entry(seen).or_default().push(id.clone());
        }
        let heap = seen.as_ref().map_or(0, |seen| self.measure.row(&id, seen));
        ids.restore(id, seen, record.timestamp, heap);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::SeenStore;
    use crate::record::Timestamp;
    use crate::serde::Be64;
    use crate::state::{StateStore, Store, StoreId};

    fn store() -> SeenStore<i64> {
        SeenStore::new(StoreId(0), Store::new("seen", Be64, Be64), 10)
    }

    /// Commits; the ids written, with their times or as tombstones.
    fn commit(store: &SeenStore<i64>, now: Timestamp) -> Vec<(i64, Option<i64>)> {
        let mut written = Vec::new();
        let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().unwrap());
        let flushed = store.inner.flush(now, &mut |id, seen, _| {
            written.push((number(id), seen.map(number)));
            Ok(())
        });
        flushed.unwrap();
        store.inner.commit(now);
        written
    }

    #[test]
    fn an_id_is_forgotten_when_its_time_is_over() {
        let store = store();
        assert!(store.pass(1, 0, 0));
        assert!(store.pass(2, 5, 5));
        assert_eq!(commit(&store, 5), [(1, Some(0)), (2, Some(5))]);
        assert!(!store.pass(1, 9, 9));
        assert!(store.pass(1, 10, 10), "over, and not dropped yet");
        assert_eq!(commit(&store, 15), [(1, Some(10)), (2, None)]);
        assert!(!store.pass(1, 15, 15));
        assert_eq!(commit(&store, 20), [(1, None)]);
        assert_eq!(store.inner.ids.borrow().len(), 0);
        assert!(store.inner.by_time.borrow().is_empty());
    }

    #[test]
    fn a_rollback_forgets_what_was_not_committed() {
        let store = store();
        assert!(store.pass(1, 0, 0));
        commit(&store, 0);
        assert!(store.pass(1, 12, 12));
        assert!(store.pass(2, 12, 12));
        store.inner.rollback();
        assert!(!store.pass(1, 3, 3));
        assert!(store.pass(2, 3, 3));
        assert!(!store.pass(2, 12, 12), "seen at 3 now");
        assert_eq!(commit(&store, 12), [(2, Some(3)), (1, None)]);
    }

    #[test]
    fn late_ids_pass_and_leave_no_trace() {
        let store = store();
        assert!(store.pass(1, 50, 50));
        assert!(!store.pass(1, 41, 50));
        assert!(store.pass(1, 40, 50));
        assert!(store.pass(2, 40, 50));
        assert!(store.pass(2, 40, 50));
        assert_eq!(commit(&store, 50), [(1, Some(50))]);
    }
}
