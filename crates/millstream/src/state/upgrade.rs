//! Rows that were written by older versions of a program: what makes them rows of this one, while a store is restored.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{FlushError, SnapshotCursor, StateStore, StoreOptions};
use crate::broker::{BrokerError, Message};
use crate::record::{Headers, Timestamp};
use crate::serde::SerdeError;

/// Makes a row's key and value those of the next version.
pub(crate) type Upgrade = dyn Fn(&[u8], &[u8]) -> Result<(Vec<u8>, Vec<u8>), SerdeError> + Send + Sync;

/// Takes one changed row, as [`WriteRow`](super::WriteRow), with its headers.
pub(crate) type WriteVersioned<'a> =
    dyn FnMut(&[u8], Option<&[u8]>, Timestamp, &Headers) -> Result<(), BrokerError> + 'a;

/// The header of a row in the changelog that says its version, in digits.
const VERSION_HEADER: &str = "store-version";

/// Beside a tombstone: that the row has another key now, under which it was written before. A tombstone without says that the
/// row was deleted.
const MOVED_HEADER: &str = "store-moved";

/// Why a row of a changelog could not be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(
        "{0}; was it written with other serdes? If so, give the store a version() and an upgrade() from the one before"
    )]
    Unreadable(#[from] SerdeError),
    #[error("the row cannot be brought from version {from} to {}: {error}", .from + 1)]
    Upgrade { from: u32, error: SerdeError },
    #[error(
        "the row is of version {from} and the store of version {version}, and nothing brings it to {}; \
         give the store an upgrade({from}, ..)", .from + 1
    )]
    NoUpgrade { from: u32, version: u32 },
    #[error(
        "the row is of version {found}, newer than version {version} that this program knows; \
         run the newer program, or delete the changelog to begin with an empty store"
    )]
    Newer { found: u32, version: u32 },
    #[error("its header {VERSION_HEADER} is not a number")]
    BadVersion,
}

impl RestoreError {
    /// Whether the row may be read later, though nothing is changed here.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            RestoreError::Unreadable(error) | RestoreError::Upgrade { error, .. } => error.is_transient(),
            _ => false,
        }
    }
}

/// A store's rows on their way to and from its changelog, with their version.
pub(crate) struct Versions {
    options: Option<StoreOptions>,
    headers: Headers,
    moved_headers: Headers,
    moved: RefCell<MovedRows>,
}

/// Rows that were restored under another key than the changelog has. Until they are written anew, and the old ones deleted, a
/// row that is deleted later would come back with the next restore.
#[derive(Default)]
struct MovedRows {
    by_old_key: BTreeMap<Vec<u8>, Moved>,
    /// How many rows have each new key: several, where versions in between were written, too.
    new_keys: BTreeMap<Vec<u8>, usize>,
}

struct Moved {
    key: Vec<u8>,
    value: Vec<u8>,
    timestamp: Timestamp,
}

impl Versions {
    pub(crate) fn of(store: &dyn StateStore) -> Self {
        let options = store.options().cloned();
        let headers = options.as_ref().and_then(|options| options.version).map(headers_of).unwrap_or_default();
        let mut moved_headers = headers.clone();
        moved_headers.push(MOVED_HEADER, None);
        Versions { options, headers, moved_headers, moved: RefCell::default() }
    }

    fn current(&self) -> u32 {
        self.options.as_ref().and_then(|options| options.version).unwrap_or(0)
    }

    /// Takes one record of the changelog, brought to this version.
    pub(crate) fn restore(&self, store: &dyn StateStore, record: &Message<'_>) -> Result<(), RestoreError> {
        if store.is_unversioned(record.key.unwrap_or_default()) {
            return Ok(store.restore(record)?);
        }
        let (found, version) = (version_of(&record.headers)?, self.current());
        if found > version {
            return Err(RestoreError::Newer { found, version });
        }
        let old_key = record.key.unwrap_or_default();
        if !record.headers.is_empty() && record.headers.last(MOVED_HEADER).is_some() {
            self.moved.borrow_mut().remove(old_key);
            return Ok(());
        }
        let mut moved = self.moved.borrow_mut();
        // Whatever had this key in the changelog is not there any more.
        let before = moved.remove(old_key);
        if found == version {
            return Ok(store.restore(record)?);
        }
        let Some(value) = record.value else {
            match before {
                Some(row) => {
                    store.restore(&as_row(record, &row.key, None))?;
                }
                // Another row has this key now.
                None if moved.is_taken(old_key) => {}
                // A row with the same key in every version; or one that was never seen, whose key may mean nothing now.
                None => drop(store.restore(&as_row(record, old_key, None))),
            }
            return Ok(());
        };
        let (key, value) = self.upgrade(found, old_key, value)?;
        store.restore(&as_row(record, &key, Some(&value)))?;
        if key != old_key {
            moved.insert(old_key, Moved { key, value, timestamp: record.timestamp });
        }
        Ok(())
    }

    fn upgrade(&self, from: u32, key: &[u8], value: &[u8]) -> Result<(Vec<u8>, Vec<u8>), RestoreError> {
        let version = self.current();
        let mut row = (key.to_vec(), value.to_vec());
        for from in from..version {
            let upgrade = self.options.as_ref().and_then(|options| options.upgrades.get(&from));
            let upgrade = upgrade.ok_or(RestoreError::NoUpgrade { from, version })?;
            row = upgrade(&row.0, &row.1).map_err(|error| RestoreError::Upgrade { from, error })?;
        }
        Ok(row)
    }

    /// Writes what changed in the store, after the rows that have another key now.
    pub(crate) fn flush(
        &self,
        store: &dyn StateStore,
        stream_time: Timestamp,
        write: &mut WriteVersioned<'_>,
    ) -> Result<(), FlushError> {
        let moved = self.moved.borrow();
        for row in moved.by_old_key.values() {
            write(&row.key, Some(&row.value), row.timestamp, &self.headers)?;
        }
        // The old keys go after the new rows: without transactions a crash in between leaves both, not none. An old key that
        // is another row's new one is overwritten already.
        for (key, row) in moved.by_old_key.iter().filter(|(key, _)| !moved.is_taken(key)) {
            write(key, None, row.timestamp, &self.moved_headers)?;
        }
        store.flush(stream_time, &mut |key, value, timestamp| write(key, value, timestamp, &self.headers))
    }

    /// Hands out the next rows of a snapshot; `false` for not yet: rows that have another key now are to be written first, with the
    /// next commit, or whoever gets them would not know of the old ones.
    pub(crate) fn snapshot(
        &self,
        store: &dyn StateStore,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteVersioned<'_>,
    ) -> Result<bool, FlushError> {
        if !self.moved.borrow().by_old_key.is_empty() {
            return Ok(false);
        }
        store.snapshot(cursor, rows_max, &mut |key, value, timestamp| write(key, value, timestamp, &self.headers))?;
        Ok(true)
    }

    pub(crate) fn commit(&self, store: &dyn StateStore, stream_time: Timestamp) {
        self.moved.take();
        store.commit(stream_time);
    }
}

impl MovedRows {
    fn insert(&mut self, old_key: &[u8], row: Moved) {
        *self.new_keys.entry(row.key.clone()).or_default() += 1;
        self.by_old_key.insert(old_key.to_vec(), row);
    }

    fn remove(&mut self, old_key: &[u8]) -> Option<Moved> {
        let row = self.by_old_key.remove(old_key)?;
        if let Some(count) = self.new_keys.get_mut(&row.key) {
            *count -= 1;
            if *count == 0 {
                self.new_keys.remove(&row.key);
            }
        }
        Some(row)
    }

    /// Whether a row that moved has this key now.
    fn is_taken(&self, key: &[u8]) -> bool {
        self.new_keys.contains_key(key)
    }
}

fn as_row<'a>(record: &Message<'a>, key: &'a [u8], value: Option<&'a [u8]>) -> Message<'a> {
    let (offset, timestamp) = (record.offset, record.timestamp);
    Message { offset, timestamp, key: Some(key), value, headers: Headers::default() }
}

fn headers_of(version: u32) -> Headers {
    let mut headers = Headers::default();
    headers.push(VERSION_HEADER, Some(version.to_string().into_bytes()));
    headers
}

/// The version that a row says, 0 if none.
fn version_of(headers: &Headers) -> Result<u32, RestoreError> {
    match headers.last(VERSION_HEADER) {
        None => Ok(0),
        Some(value) => {
            value.and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok()).ok_or(RestoreError::BadVersion)
        }
    }
}
