use super::changelog::read_changelog;
use super::{Task, TaskError};
use crate::broker::PartitionReader;

/// A store that is being completed from its changelog.
pub(crate) struct StoreRestore {
    /// The store's place in the task's graph.
    pub(crate) store: usize,
    pub(crate) reader: Box<dyn PartitionReader>,
    /// The offset up to which the store is complete.
    pub(crate) position: i64,
    /// The changelog's end when the task was opened, committed or not, and of a source topic the position up to which it is
    /// processed: complete once this is reached.
    pub(crate) end: i64,
}

/// How many records one changelog hands over before the next one has its turn.
const BATCH_RECORDS: usize = 4096;

impl StoreRestore {
    pub(crate) fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position).max(0) as u64
    }
}

impl Task {
    /// Reads a batch of each changelog that is not complete; returns how many records.
    pub(crate) fn restore(&mut self) -> Result<u64, TaskError> {
        let mut records = 0;
        for restore in &mut self.restoring {
            let store = &self.graph.stores[restore.store];
            let StoreRestore { reader, position, end, .. } = restore;
            records += read_changelog(self.id, store, &mut **reader, position, *end, BATCH_RECORDS)?.records;
        }
        self.restored += records;
        self.restoring.retain(|restore| restore.position < restore.end);
        Ok(records)
    }
}
