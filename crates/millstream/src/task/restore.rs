use std::sync::Arc;

use super::changelog::read_changelog;
use super::{Task, TaskError};
use crate::broker::{Assignment, Broker, BrokerError, PartitionReader, Position, TopicPartition, Waker};
use crate::processor::ErrorPolicy;

/// A store that is being completed from its changelog.
pub(crate) struct StoreRestore {
    /// The store's place in the task's graph.
    store: usize,
    partition: TopicPartition,
    /// `None` until it is its turn: what clients fetch ahead is bounded by how many are read at a time.
    reader: Option<Box<dyn PartitionReader>>,
    /// The offset up to which the store is complete.
    position: i64,
    /// The changelog's end when the task was opened, committed or not, and of a source topic the position up to which it is
    /// processed: complete once this is reached.
    end: i64,
    /// All that can be read is read, and the store is not complete.
    is_stalled: bool,
}

impl StoreRestore {
    /// From `position` to `end`; a `reader` that stands at the position already goes on.
    pub(crate) fn new(
        store: usize,
        partition: TopicPartition,
        position: i64,
        end: i64,
        reader: Option<Box<dyn PartitionReader>>,
    ) -> Self {
        StoreRestore { store, partition, reader, position, end, is_stalled: false }
    }

    fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position).max(0) as u64
    }

    fn open(&mut self, broker: &dyn Broker, waker: &Waker) -> Result<(), BrokerError> {
        let from = if self.position == 0 { Position::Beginning } else { Position::Offset(self.position) };
        let assignment = Assignment { partition: self.partition.clone(), from, waker: waker.clone() };
        self.reader = Some(broker.reader(assignment)?);
        Ok(())
    }
}

impl Task {
    /// The rows that were left out since the last call, for each store that has some.
    pub(crate) fn take_unread(&mut self) -> Vec<(Arc<str>, u64)> {
        std::mem::take(&mut self.unread)
    }

    /// Opens readers of changelogs that have none yet, as many as there is `room` for.
    pub(crate) fn open_readers(
        &mut self,
        broker: &dyn Broker,
        waker: &Waker,
        room: &mut usize,
    ) -> Result<(), BrokerError> {
        for restore in self.restoring.iter_mut().filter(|restore| restore.reader.is_none()) {
            if *room == 0 {
                break;
            }
            restore.open(broker, waker)?;
            *room -= 1;
        }
        Ok(())
    }

    /// How many changelogs are being read.
    pub(crate) fn open_changelogs(&self) -> usize {
        self.restoring.iter().filter(|restore| restore.reader.is_some()).count()
    }

    /// How many offsets of changelogs are still to be read.
    pub(crate) fn to_restore(&self) -> u64 {
        self.restoring.iter().map(StoreRestore::remaining).sum()
    }

    /// The changelogs of which all is read that can be, short of the end that they had. Either a transaction is open, or the
    /// end is gone.
    pub(crate) fn stalled(&self) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.restoring.iter().filter(|restore| restore.is_stalled).map(|restore| (&restore.partition, restore.end))
    }

    /// Why a changelog could not be read on, since the last call, but may be later. It has no reader until then.
    pub(crate) fn take_not_now(&mut self) -> Option<BrokerError> {
        self.not_now.take()
    }

    /// Reads up to `records_max` records of each changelog that has a reader; returns how many records.
    pub(crate) fn restore(&mut self, records_max: usize) -> Result<u64, TaskError> {
        let mut records = 0;
        let leaves_out = self.errors.policies.read != ErrorPolicy::Fail || self.graph.on_error.is_some();
        for restore in &mut self.restoring {
            let store = &self.graph.stores[restore.store];
            let Some(reader) = &mut restore.reader else {
                continue;
            };
            let (position, end) = (&mut restore.position, restore.end);
            let batch = read_changelog(self.id, store, &mut **reader, position, end, records_max, leaves_out)?;
            if batch.unread > 0 {
                self.unread.push((store.name.clone(), batch.unread));
            }
            if batch.not_now.is_some() {
                restore.reader = None;
                self.not_now = batch.not_now;
            }
            if batch.end.is_some() || batch.records > 0 {
                restore.is_stalled = batch.end.is_some() && restore.position < restore.end;
            }
            records += batch.records;
        }
        self.restored += records;
        self.restoring.retain(|restore| restore.position < restore.end);
        Ok(records)
    }
}
