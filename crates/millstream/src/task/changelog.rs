use std::ops::ControlFlow;

use super::{TaskError, TaskId};
use crate::broker::{BrokerError, ErrorKind, Fetched, PartitionReader};
use crate::processor::guarded_anywhere;
use crate::topology::TaskStore;

/// What a batch of a changelog brought.
pub(crate) struct ChangelogBatch {
    pub(crate) records: u64,
    /// Rows of a source topic that cannot be read, and are left out.
    pub(crate) unread: u64,
    /// Where the changelog ends for now, if the batch came to it.
    pub(crate) end: Option<i64>,
    /// Whether a record was met that is not to be read yet: the reader must be sought to the position before it reads on.
    pub(crate) is_cut: bool,
    /// Why the row at the position cannot be read now, but may be later: the reader must be sought to it.
    pub(crate) not_now: Option<BrokerError>,
}

/// Reads up to `records_max` records into a store, those before `end` alone, and moves `position` to after the last one.
/// `leaves_out`: rows of a source topic that cannot be read were left out when they were processed, and are here, too.
pub(crate) fn read_changelog(
    task: TaskId,
    store: &TaskStore,
    reader: &mut dyn PartitionReader,
    position: &mut i64,
    end: i64,
    records_max: usize,
    leaves_out: bool,
) -> Result<ChangelogBatch, TaskError> {
    let mut batch = ChangelogBatch { records: 0, unread: 0, end: None, is_cut: false, not_now: None };
    let Some(changelog) = &store.changelog else {
        return Ok(batch);
    };
    let mut failure = None;
    let read = reader.read(records_max, &mut |fetched| {
        match fetched {
            Fetched::End(offset) => {
                *position = offset.max(*position);
                batch.end = Some(offset);
            }
            // Of a source topic: not processed yet, and so not in the store.
            Fetched::Record(record) if record.offset >= end => {
                *position = end;
                batch.is_cut = true;
                return ControlFlow::Break(());
            }
            Fetched::Record(record) => {
                let restored = guarded_anywhere(|| changelog.versions.restore(&*store.store, &record));
                let error = match restored {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some((error.to_string(), error.is_transient())),
                    Err(panic) => Some((panic.to_string(), false)),
                };
                match error {
                    None => {}
                    Some((_, false)) if store.from_source && leaves_out => batch.unread += 1,
                    Some(error) => {
                        failure = Some((record.offset, error));
                        return ControlFlow::Break(());
                    }
                }
                *position = record.offset + 1;
                batch.records += 1;
            }
        }
        ControlFlow::Continue(())
    });
    while let Err(panic) = guarded_anywhere(|| store.store.restored()) {
        match store.from_source && leaves_out {
            true => batch.unread += 1,
            // It is of one of the last rows. One that may be read later must not hide it: it would be left out then.
            false => {
                let fatal = failure.filter(|(_, (_, is_transient))| !is_transient);
                failure = fatal.or_else(|| Some((*position - 1, (panic.to_string(), false))));
            }
        }
    }
    if let Some((offset, (error, is_transient))) = failure {
        let (changelog, partition) = (&changelog.name, task.partition);
        let message = format!(
            "task {task}: store {} cannot read its changelog, topic {changelog}, partition {partition}, offset {offset}: \
             {error}",
            store.name
        );
        if !is_transient {
            return Err(BrokerError::new(ErrorKind::Fatal, message).into());
        }
        batch.not_now = Some(BrokerError::new(ErrorKind::Retry, message));
    }
    read?;
    Ok(batch)
}
