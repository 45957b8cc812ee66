use std::cell::RefCell;
use std::hash::Hash;

use indexmap::IndexMap;

use super::memory::index_map;
use super::{FlushError, SnapshotCursor, StateStore, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::SerdeError;

/// Aggregates of what came since the last commit: they are taken out before each commit, and forgotten by an abort, so
/// that there is nothing for a changelog to bring back.
pub(crate) struct PartialRows<K, A> {
    rows: RefCell<IndexMap<K, (Option<A>, Timestamp), foldhash::fast::FixedState>>,
}

impl<K, A> Default for PartialRows<K, A> {
    fn default() -> Self {
        PartialRows { rows: RefCell::default() }
    }
}

impl<K: Hash + Eq, A> PartialRows<K, A> {
    /// Changes the key's aggregate; its time is the largest of its records.
    pub(crate) fn update(&self, key: K, timestamp: Timestamp, change: impl FnOnce(&K, &mut Option<A>)) {
        let mut rows = self.rows.borrow_mut();
        let entry = rows.entry(key);
        let index = entry.index();
        let (_, time) = entry.or_insert((None, timestamp));
        *time = timestamp.max(*time);
        if let Some((key, (aggregate, _))) = rows.get_index_mut(index) {
            change(key, aggregate);
        }
    }

    /// Takes all out, in the order in which the keys came first.
    pub(crate) fn take(&self) -> impl Iterator<Item = (K, A, Timestamp)> {
        let rows = std::mem::take(&mut *self.rows.borrow_mut());
        rows.into_iter().filter_map(|(key, (aggregate, timestamp))| Some((key, aggregate?, timestamp)))
    }
}

impl<K, A> StateStore for PartialRows<K, A> {
    fn options(&self) -> Option<&StoreOptions> {
        None
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        Ok(())
    }

    fn flush(&self, _stream_time: Timestamp, _write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.rows.borrow_mut().clear();
    }

    fn rollback(&self) {
        self.rows.borrow_mut().clear();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        _rows_max: usize,
        _write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        cursor.go_on(None::<()>);
        Ok(())
    }

    fn size(&self) -> StoreSize {
        let rows = self.rows.borrow();
        let bytes = index_map::<(K, (Option<A>, Timestamp))>(rows.capacity());
        StoreSize { rows: rows.len() as u64, bytes }
    }

    fn restore(&self, _record: &Message<'_>) -> Result<(), SerdeError> {
        Ok(())
    }
}
