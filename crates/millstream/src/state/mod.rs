//! State: typed maps in memory, which the changelog brings back after a restart and the undo log after an abort. By key
//! ([`KeyValueStore`]), in the order of keys ([`OrderedStore`]), by window ([`WindowStore`]), with their history
//! ([`VersionedStore`]), and timers ([`TimerStore`]); [`Store`] says how one is kept.
//!
//! A store belongs to one task and is used by its thread alone. Between two commits it remembers, for each key that
//! was changed, the value before: a commit writes each such key once to the changelog and forgets the old values; an
//! abort puts them back. Both cost the changed keys, not the store.

mod expiry;
mod global;
mod histories;
mod join_rows;
mod join_window;
mod kept;
mod key_value;
mod memory;
mod null;
mod ordered;
mod ordered_rows;
mod partial;
mod row_chunks;
mod row_index;
mod rows;
mod seen;
mod session;
mod snapshot;
mod sorted;
mod source;
mod spans;
mod store;
mod suppress;
#[cfg(test)]
mod tests;
mod timers;
mod unjoined;
mod upgrade;
mod versioned;
mod window;
#[cfg(test)]
mod window_tests;
mod write;

pub use key_value::KeyValueStore;
pub use memory::StoreSize;
pub use ordered::OrderedStore;
pub use session::SessionStore;
pub use store::Store;
pub use timers::{Timer, TimerStore};
pub use versioned::{VersionedPut, VersionedRecord, VersionedStore};
pub use window::WindowStore;

pub(crate) use global::{GlobalRows, GlobalStore, GlobalStores, LoadGlobal};
pub(crate) use join_window::JoinWindowStore;
pub(crate) use partial::PartialRows;
pub(crate) use rows::ChangedRow;
pub(crate) use seen::SeenStore;
pub(crate) use snapshot::SnapshotCursor;
pub(crate) use sorted::{RowCodec, SortedStore};
pub(crate) use source::SourceRows;
pub(crate) use spans::{SpanKeys, SpanRows, Spans};
pub(crate) use store::StoreOptions;
pub(crate) use suppress::{Buffered, SuppressBuffer};
pub(crate) use unjoined::{Bounds, JoinSide, Unjoined, UnjoinedStore};
pub(crate) use upgrade::Versions;

use crate::broker::{BrokerError, Message};
use crate::record::Timestamp;
use crate::serde::SerdeError;

/// Takes one changed row: its key and value as bytes, `None` for a tombstone, and the time of its last change.
pub(crate) type WriteRow<'a> = dyn FnMut(&[u8], Option<&[u8]>, Timestamp) -> Result<(), BrokerError> + 'a;

/// Why a store's changes could not be written to its changelog.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FlushError {
    #[error(transparent)]
    Serde(#[from] SerdeError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// What a task does with a store, whatever its types.
pub(crate) trait StateStore {
    /// What its user said of it, by a [`Store`]; `None` if there is nothing to say.
    fn options(&self) -> Option<&StoreOptions>;

    /// Whether its rows can be written at all, as far as their serdes can say before there is one.
    fn check_writable(&self) -> Result<(), SerdeError>;

    /// Whether the changelog's row with this key is not of the user's making, so that versions say nothing about it.
    fn is_unversioned(&self, _key: &[u8]) -> bool {
        false
    }

    /// Writes each row that changed since the last commit, and tombstones for what is expired at this stream time.
    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError>;

    /// Forgets the values before; drops what is expired at this stream time, the same as when it was flushed.
    fn commit(&self, stream_time: Timestamp);

    /// Puts back the values as they were at the last commit.
    fn rollback(&self);

    /// Hands out the next rows as they were at the last commit, about `rows_max` of them, as [`StateStore::flush`] would write
    /// them: see [`snapshot`]. The rows of one key come in one step, and a step looks at all that changed since the last
    /// commit; so it is cheapest right after one.
    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError>;

    /// How many rows it has and about how much memory they take, for what is committed and what is not.
    fn size(&self) -> StoreSize;

    /// Takes one record of the changelog. After some, [`StateStore::restored`] is to be called before anything else.
    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError>;

    /// Completes what [`StateStore::restore`] has taken. If it panics, the row that it was at is left out, and it is to be called
    /// again.
    fn restored(&self) {}
}

/// A store that a processor can be connected to.
pub trait Connect {
    /// The store's place in its topology.
    #[doc(hidden)]
    fn store_id(&self) -> StoreId;

    /// Whether what the store shows depends on event time.
    #[doc(hidden)]
    fn uses_time(&self) -> bool {
        false
    }
}

/// A store's place in its topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreId(pub(crate) usize);
