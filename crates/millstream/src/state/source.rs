use std::hash::Hash;
use std::rc::Rc;

use super::{FlushError, KeyValueStore, SnapshotCursor, StateStore, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::SerdeError;
use crate::topic::Topic;

/// The rows of a table whose source topic is its changelog: never written, and restored as they are processed.
pub(crate) struct SourceRows<K, V> {
    store: KeyValueStore<K, V>,
    rows: Rc<dyn StateStore>,
    topic: Topic<K, V>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> SourceRows<K, V> {
    pub(crate) fn new(store: KeyValueStore<K, V>, topic: &Topic<K, V>) -> Self {
        SourceRows { rows: store.erased(), store, topic: topic.clone() }
    }
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> StateStore for SourceRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        None
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        Ok(())
    }

    // The topic is somebody else's, and so are its headers.
    fn is_unversioned(&self, _key: &[u8]) -> bool {
        true
    }

    fn flush(&self, _stream_time: Timestamp, _write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        Ok(())
    }

    fn commit(&self, stream_time: Timestamp) {
        self.rows.commit(stream_time);
    }

    fn rollback(&self) {
        self.rows.rollback();
    }

    fn restored(&self) {
        self.rows.restored();
    }

    // Whoever gets the rest reads the topic.
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
        self.rows.size()
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        // Records without key are no rows: the table skips them.
        let Some(key) = record.key else {
            return Ok(());
        };
        let key = self.topic.key.decode(key)?;
        let value = record.value.map(|bytes| self.topic.value.decode(bytes)).transpose()?;
        let timestamp = match (&self.topic.timestamp, &value) {
            (Some(extractor), Some(value)) => extractor(&key, value, record.timestamp),
            _ => record.timestamp,
        };
        self.store.restore_row(key, value, timestamp);
        Ok(())
    }
}
