use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;

use super::rows::Rows;
use super::{Connect, FlushError, StateStore, Store, StoreId, StoreOptions, WriteRow};
use crate::broker::Message;
use crate::record::Timestamp;
use crate::serde::{SerdeError, encode};
use crate::window::{TimeWindows, Window};

/// A typed map per window, with a changelog. A window goes, whole, once it is closed: from the changelog by tombstones, as
/// a retention time would forget, when history is replayed, windows that are still open.
///
/// In the changelog a key is what Kafka Streams' window stores write: the key's bytes, the window's start in ms as eight
/// bytes big-endian, and a sequence number of four bytes, always 0.
pub struct WindowStore<K, V> {
    id: StoreId,
    inner: Rc<WindowRows<K, V>>,
}

/// The store itself, shared by its handles and its task.
pub(crate) struct WindowRows<K, V> {
    store: Store<K, V>,
    windows: TimeWindows,
    rows: RefCell<BTreeMap<Timestamp, Rows<K, V>>>,
}

impl<K: Hash + Eq + 'static, V: Clone + 'static> WindowStore<K, V> {
    pub(crate) fn new(id: StoreId, store: Store<K, V>, windows: TimeWindows) -> Self {
        WindowStore { id, inner: Rc::new(WindowRows { store, windows, rows: RefCell::default() }) }
    }

    pub(crate) fn erased(&self) -> Rc<dyn StateStore> {
        self.inner.clone()
    }

    /// A clone of the key's value in the window.
    pub fn get(&self, key: &K, window: Window) -> Option<V> {
        let rows = self.inner.rows.borrow();
        rows.get(&window.start)?.get(key).map(|(value, _)| value.clone())
    }

    /// Changes the key's value in the window, `None` where there is none, and its time in place. `change` must not
    /// use this store.
    pub fn update<R>(&self, key: &K, window: Window, change: impl FnOnce(&mut Option<V>, &mut Timestamp) -> R) -> R
    where
        K: Clone,
    {
        self.inner.rows.borrow_mut().entry(window.start).or_default().update(key, change)
    }
}

impl<K: 'static, V> WindowRows<K, V> {
    fn is_closed(&self, start: Timestamp, stream_time: Timestamp) -> bool {
        self.windows.is_closed(self.windows.window_at(start), stream_time)
    }

    fn encode_key(&self, key: &K, start: Timestamp, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        self.store.key.encode(key, out)?;
        out.extend_from_slice(&start.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

impl<K, V> Clone for WindowStore<K, V> {
    fn clone(&self) -> Self {
        WindowStore { id: self.id, inner: self.inner.clone() }
    }
}

impl<K, V> Connect for WindowStore<K, V> {
    fn store_id(&self) -> StoreId {
        self.id
    }
}

impl<K: Hash + Eq + 'static, V: 'static> StateStore for WindowRows<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn flush(&self, stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        for (start, rows) in self.rows.borrow().iter() {
            if self.is_closed(*start, stream_time) {
                for (key, timestamp) in rows.in_changelog() {
                    self.encode_key(key, *start, &mut key_bytes)?;
                    write(&key_bytes, None, timestamp)?;
                }
                continue;
            }
            for (key, value, timestamp) in rows.changed() {
                self.encode_key(key, *start, &mut key_bytes)?;
                let value = match value {
                    Some(value) => encode(&*self.store.value, value, &mut value_bytes)?,
                    None => None,
                };
                write(&key_bytes, value, timestamp)?;
            }
        }
        Ok(())
    }

    fn commit(&self, stream_time: Timestamp) {
        self.rows.borrow_mut().retain(|start, rows| {
            rows.commit();
            !self.is_closed(*start, stream_time)
        });
    }

    fn rollback(&self) {
        self.rows.borrow_mut().retain(|_, rows| {
            rows.rollback();
            rows.len() > 0
        });
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let Some((key, rest)) = record.key.unwrap_or_default().split_last_chunk::<12>() else {
            return Err(SerdeError::new(
                "a window store's key has at least 12 bytes: a window's start and a sequence number",
            ));
        };
        let mut start = [0; 8];
        start.copy_from_slice(&rest[..8]);
        let key = self.store.key.decode(key)?;
        let value = record.value.map(|bytes| self.store.value.decode(bytes)).transpose()?;
        let mut windows = self.rows.borrow_mut();
        windows.entry(i64::from_be_bytes(start)).or_default().restore(key, value, record.timestamp);
        Ok(())
    }
}
