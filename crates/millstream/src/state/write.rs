use super::kept::KeyedRows;
use super::{FlushError, SnapshotCursor, Store, WriteRow};
use crate::record::Timestamp;
use crate::serde::{append_key, encode_row};

/// Encodes rows by a store's serdes, into buffers that are used again, and writes them.
pub(crate) struct RowWriter<'a, 'w, K, V> {
    store: &'a Store<K, V>,
    write: &'a mut WriteRow<'w>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<'a, 'w, K: 'static, V: 'static> RowWriter<'a, 'w, K, V> {
    pub(crate) fn new(store: &'a Store<K, V>, write: &'a mut WriteRow<'w>) -> Self {
        RowWriter { store, write, key: Vec::new(), value: Vec::new() }
    }

    /// Writes a row, `None` as a tombstone.
    pub(crate) fn write(&mut self, key: &K, value: Option<&V>, timestamp: Timestamp) -> Result<(), FlushError> {
        self.key.clear();
        append_key(&*self.store.key, key, &mut self.key)?;
        let value = match value {
            Some(value) => encode_row(&*self.store.value, value, &mut self.value)?,
            None => None,
        };
        Ok((self.write)(&self.key, value, timestamp)?)
    }

    /// Writes the next step of a snapshot.
    pub(crate) fn write_committed(
        &mut self,
        rows: &impl KeyedRows<K, V>,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
    ) -> Result<(), FlushError> {
        rows.committed(cursor, rows_max, &mut |key, value, timestamp| {
            self.write(key, Some(value), timestamp)?;
            Ok(1)
        })
    }
}
