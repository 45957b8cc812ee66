use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Task, TaskError};
use crate::broker::{BrokerError, ErrorKind, Fetched, PartitionReader};
use crate::processor::{ErrorPolicy, guarded_anywhere};

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
    /// The rows that were left out since the last call, for each store that has some.
    pub(crate) fn take_unread(&mut self) -> Vec<(Arc<str>, u64)> {
        std::mem::take(&mut self.unread)
    }

    /// Reads a batch of each changelog that is not complete; returns how many records.
    pub(crate) fn restore(&mut self) -> Result<u64, TaskError> {
        let mut records = 0;
        let leaves_out = self.errors.policies.read != ErrorPolicy::Fail || self.graph.on_error.is_some();
        for restore in &mut self.restoring {
            let store = &self.graph.stores[restore.store];
            let Some(changelog) = &store.changelog else {
                continue;
            };
            let (mut failure, mut unread) = (None, 0);
            let (position, end) = (&mut restore.position, restore.end);
            restore.reader.read(BATCH_RECORDS, &mut |fetched| {
                match fetched {
                    Fetched::End(offset) => *position = offset.max(*position),
                    // Of a source topic: not processed yet, and so not in the store.
                    Fetched::Record(record) if record.offset >= end => {
                        *position = end;
                        return ControlFlow::Break(());
                    }
                    Fetched::Record(record) => {
                        let restored = guarded_anywhere(|| changelog.versions.restore(&*store.store, &record));
                        let error = match restored {
                            Ok(Ok(())) => None,
                            Ok(Err(error)) => Some(error.to_string()),
                            Err(panic) => Some(panic.to_string()),
                        };
                        match error {
                            None => {}
                            // It was left out when it was processed.
                            Some(_) if store.from_source && leaves_out => unread += 1,
                            Some(error) => {
                                failure = Some((record.offset, error));
                                return ControlFlow::Break(());
                            }
                        }
                        *position = record.offset + 1;
                        records += 1;
                    }
                }
                ControlFlow::Continue(())
            })?;
            if unread > 0 {
                self.unread.push((store.name.clone(), unread));
            }
            if let Some((offset, error)) = failure {
                let (changelog, partition) = (&changelog.name, self.id.partition);
                let message = format!(
                    "task {}: store {} cannot read its changelog, topic {changelog}, partition {partition}, \
                     offset {offset}: {error}",
                    self.id, store.name
                );
                return Err(BrokerError::new(ErrorKind::Fatal, message).into());
            }
        }
        self.restored += records;
        self.restoring.retain(|restore| restore.position < restore.end);
        Ok(records)
    }
}
