use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::rc::Rc;

use super::kept::KeyedRows;
use super::memory::{Measure, b_tree};
use super::rows::Rows;
use super::{FlushError, SnapshotCursor, StateStore, Store, StoreOptions, StoreSize, WriteRow};
use crate::broker::Message;
use crate::record::{Headers, Timestamp};
use crate::serde::{SerdeError, append_key, encode};

/// A key's change that is held back.
#[derive(Clone)]
pub(crate) struct Buffered<V> {
    /// When it may go: the key's place in the order stays where its first change put it.
    time: Timestamp,
    /// The key as bytes, by which keys of one time are ordered.
    key: Rc<[u8]>,
    bytes: u64,
    /// The value that was passed on last.
    pub(crate) prior: Option<V>,
    pub(crate) new: Option<V>,
    pub(crate) timestamp: Timestamp,
    pub(crate) headers: Headers,
}

/// Keys by their time and their bytes.
type Order<K> = BTreeMap<(Timestamp, Rc<[u8]>), K>;

/// Changes that are held back, the last one of each key, in the order of their time; with a changelog.
///
/// In the changelog a value is the time, the prior value and the new one (each with its length before it, -1 for none), the
/// record's timestamp, and its headers.
pub(crate) struct SuppressBuffer<K, V> {
    store: Store<K, V>,
    rows: RefCell<Rows<K, Buffered<V>>>,
    order: RefCell<Order<K>>,
    bytes: Cell<u64>,
    scratch: RefCell<Vec<u8>>,
    measure: Measure<K, V>,
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> SuppressBuffer<K, V> {
    pub(crate) fn new(store: Store<K, V>) -> Self {
        let (rows, order) = (RefCell::default(), RefCell::default());
        let measure = Measure::new(store.key.clone(), store.value.clone());
        SuppressBuffer { store, rows, order, bytes: Cell::new(0), scratch: RefCell::default(), measure }
    }

    /// How many keys are held back.
    pub(crate) fn len(&self) -> u64 {
        self.order.borrow().len() as u64
    }

    /// The bytes of keys, values and headers that are held back, and eight for each time.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// The smallest time; `None` when nothing is held back.
    pub(crate) fn first_time(&self) -> Option<Timestamp> {
        self.order.borrow().keys().next().map(|(time, _)| *time)
    }

    /// Holds a change back until `time`, or until the time of the key's change that is held back already.
    pub(crate) fn put(
        &self,
        key: &K,
        time: Timestamp,
        (old, new): (Option<V>, Option<V>),
        (timestamp, headers): (Timestamp, Headers),
    ) -> Result<(), SerdeError> {
        let scratch = &mut *self.scratch.borrow_mut();
        let new_bytes = self.value_bytes(new.as_ref(), scratch)? + headers_bytes(&headers);
        let mut rows = self.rows.borrow_mut();
        if rows.get(key).is_none() {
            let prior_bytes = self.value_bytes(old.as_ref(), scratch)?;
            let key_bytes: Rc<[u8]> = encode(&*self.store.key, key, scratch)?.unwrap_or_default().into();
            let bytes = 8 + key_bytes.len() as u64 + prior_bytes + new_bytes;
            let (place, ordered) = ((time, key_bytes.clone()), key.clone());
            let row = Buffered { time, key: key_bytes, bytes, prior: old, new, timestamp, headers };
            rows.put(key.clone(), Some(row), timestamp);
            // Once there is an entry in the undo log, nothing panics any more.
            self.order.borrow_mut().insert(place, ordered);
            self.bytes.set(self.bytes.get() + bytes);
            return Ok(());
        }
        rows.update(key, |row, _| {
            if let Some(row) = row {
                let before = self.value_bytes(row.new.as_ref(), scratch)? + headers_bytes(&row.headers);
                let bytes = row.bytes - before + new_bytes;
                self.bytes.set(self.bytes.get() - row.bytes + bytes);
                (row.bytes, row.new, row.timestamp, row.headers) = (bytes, new, timestamp, headers);
            }
            Ok(())
        })
    }

    /// Takes out the change with the smallest time; of those the one with the smallest key.
    pub(crate) fn take_first(&self) -> Option<(K, Buffered<V>)> {
        let mut order = self.order.borrow_mut();
        let first = order.first_entry()?;
        let mut rows = self.rows.borrow_mut();
        let row = rows.get(first.get()).map(|(row, _)| row.clone());
        if let Some(row) = &row {
            rows.put(first.get().clone(), None, row.timestamp);
        }
        // It is in the undo log: from here on nothing panics.
        let key = first.remove();
        let row = row?;
        self.bytes.set(self.bytes.get() - row.bytes);
        Some((key, row))
    }

    /// What a row has on the heap: its key here and in the order, its values, and its headers.
    fn heap(&self, key: &K, row: &Buffered<V>) -> usize {
        let value = |value: &Option<V>| value.as_ref().map_or(0, |value| self.measure.value(value));
        let keys = 2 * self.measure.key(key) + row.key.len() + 16;
        let headers = row.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + 80);
        keys + value(&row.prior) + value(&row.new) + headers.sum::<usize>()
    }

    fn value_bytes(&self, value: Option<&V>, scratch: &mut Vec<u8>) -> Result<u64, SerdeError> {
        let Some(value) = value else { return Ok(0) };
        Ok(encode(&*self.store.value, value, scratch)?.map_or(0, <[u8]>::len) as u64)
    }

    /// Adds a row that came from the changelog or a rollback to what is kept beside the rows, or takes one from it.
    fn note(&self, key: &K, row: &Buffered<V>, added: bool) {
        let mut order = self.order.borrow_mut();
        if added {
            order.insert((row.time, row.key.clone()), key.clone());
            self.bytes.set(self.bytes.get() + row.bytes);
        } else if order.remove(&(row.time, row.key.clone())).is_some() {
            self.bytes.set(self.bytes.get() - row.bytes);
        }
    }

    fn encode_row(&self, row: &Buffered<V>, out: &mut Vec<u8>, scratch: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.clear();
        out.extend_from_slice(&row.time.to_be_bytes());
        for value in [&row.prior, &row.new] {
            let bytes = match value {
                Some(value) => encode(&*self.store.value, value, scratch)?,
                None => None,
            };
            put_bytes(bytes, out);
        }
        out.extend_from_slice(&row.timestamp.to_be_bytes());
        for (name, value) in row.headers.iter() {
            put_bytes(Some(name.as_bytes()), out);
            put_bytes(value.as_deref(), out);
        }
        Ok(())
    }

    fn decode_row(&self, key: &[u8], mut from: &[u8]) -> Result<Buffered<V>, SerdeError> {
        let from = &mut from;
        let time = i64::from_be_bytes(take_array(from)?);
        let (prior, new) = (take_bytes(from)?, take_bytes(from)?);
        let timestamp = i64::from_be_bytes(take_array(from)?);
        let mut headers = Headers::default();
        while !from.is_empty() {
            let name = String::from_utf8_lossy(take_bytes(from)?.unwrap_or_default()).into_owned();
            headers.push(name, take_bytes(from)?.map(<[u8]>::to_vec));
        }
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
        let bytes = 8 + key.len() as u64 + length(prior) + length(new) + headers_bytes(&headers);
        let value = |bytes: Option<&[u8]>| bytes.map(|bytes| self.store.value.decode(bytes)).transpose();
        Ok(Buffered { time, key: key.into(), bytes, prior: value(prior)?, new: value(new)?, timestamp, headers })
    }
}

fn headers_bytes(headers: &Headers) -> u64 {
    headers.iter().map(|(name, value)| (name.len() + value.as_ref().map_or(0, Vec::len)) as u64).sum()
}

fn put_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(&bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn take_array<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], SerdeError> {
    let (array, rest) = from.split_first_chunk().ok_or_else(cut_short)?;
    *from = rest;
    Ok(*array)
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Result<Option<&'a [u8]>, SerdeError> {
    let Ok(length) = usize::try_from(i32::from_be_bytes(take_array(from)?)) else { return Ok(None) };
    let (bytes, rest) = from.split_at_checked(length).ok_or_else(cut_short)?;
    *from = rest;
    Ok(Some(bytes))
}

fn cut_short() -> SerdeError {
    SerdeError::new("a row of a suppress buffer is cut short")
}

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> StateStore for SuppressBuffer<K, V> {
    fn options(&self) -> Option<&StoreOptions> {
        Some(&self.store.options)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.store.check_writable()
    }

    fn flush(&self, _stream_time: Timestamp, write: &mut WriteRow<'_>) -> Result<(), FlushError> {
        let (mut key_bytes, mut row_bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        for (key, row, timestamp) in self.rows.borrow().changed() {
            key_bytes.clear();
            append_key(&*self.store.key, key, &mut key_bytes)?;
            match row {
                Some(row) => {
                    self.encode_row(row, &mut row_bytes, &mut scratch)?;
                    write(&key_bytes, Some(&row_bytes), timestamp)?;
                }
                None => write(&key_bytes, None, timestamp)?,
            }
        }
        Ok(())
    }

    fn commit(&self, _stream_time: Timestamp) {
        self.rows.borrow_mut().commit(|key, row| self.heap(key, row));
    }

    fn rollback(&self) {
        let mut rows = self.rows.borrow_mut();
        for (key, before, now, _) in rows.changes() {
            if let Some(now) = now {
                self.note(key, now, false);
            }
            if let Some(before) = before {
                self.note(key, before, true);
            }
        }
        rows.rollback();
    }

    fn snapshot(
        &self,
        cursor: &mut SnapshotCursor,
        rows_max: usize,
        write: &mut WriteRow<'_>,
    ) -> Result<(), FlushError> {
        let (mut key_bytes, mut row_bytes, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        self.rows.borrow().committed(cursor, rows_max, &mut |key, row, timestamp| {
            key_bytes.clear();
            append_key(&*self.store.key, key, &mut key_bytes)?;
            self.encode_row(row, &mut row_bytes, &mut scratch)?;
            write(&key_bytes, Some(&row_bytes), timestamp)?;
            Ok(1)
        })
    }

    fn size(&self) -> StoreSize {
        let mut size = self.rows.borrow().size();
        size.bytes += b_tree::<((Timestamp, Rc<[u8]>), K)>(self.order.borrow().len());
        size
    }

    fn restore(&self, record: &Message<'_>) -> Result<(), SerdeError> {
        let bytes = record.key.unwrap_or_default();
        let key = self.store.key.decode(bytes)?;
        let row = record.value.map(|value| self.decode_row(bytes, value)).transpose()?;
        let mut rows = self.rows.borrow_mut();
        if let Some((before, _)) = rows.get(&key) {
            self.note(&key, before, false);
        }
        if let Some(row) = &row {
            self.note(&key, row, true);
        }
        let heap = row.as_ref().map_or(0, |row| self.heap(&key, row));
        rows.restore(key, row, record.timestamp, heap);
        Ok(())
    }
}
