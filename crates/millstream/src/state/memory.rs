//! How much memory state takes: estimates that cost what changed, at a commit, and nothing for a record.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::serde::Serde;

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Its rows; of windows, sessions and versions each one, or each key with all it has.
    pub rows: u64,
    /// About how many bytes of memory they take, what makes them found and undone included.
    pub bytes: u64,
}

impl std::ops::AddAssign for StoreSize {
    fn add_assign(&mut self, other: StoreSize) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// Measures what keys and values have on the heap, beside their own size.
pub(crate) struct Measure<K, V> {
    key: Average<K>,
    value: Average<V>,
}

impl<K: 'static, V: 'static> Measure<K, V> {
    pub(crate) fn new(key: Arc<dyn Serde<K>>, value: Arc<dyn Serde<V>>) -> Self {
        Measure { key: Average::new(key), value: Average::new(value) }
    }

    /// The heap bytes of a row.
    pub(crate) fn row(&self, key: &K, value: &V) -> usize {
        self.key.measure(key) + self.value.measure(value)
    }

    pub(crate) fn key(&self, key: &K) -> usize {
        self.key.measure(key)
    }

    pub(crate) fn value(&self, value: &V) -> usize {
        self.value.measure(value)
    }

    /// Those of a key, on average.
    pub(crate) fn average_key(&self) -> u64 {
        self.key.average()
    }

    pub(crate) fn average_value(&self) -> u64 {
        self.value.average()
    }
}

/// The average of what was measured. Where the serde does not know, every 64th is encoded: as long as the bytes are on a topic,
/// so much it is taken for here.
struct Average<T> {
    serde: Arc<dyn Serde<T>>,
    measured: Cell<u64>,
    bytes: Cell<u64>,
    asked: Cell<u64>,
    scratch: RefCell<Vec<u8>>,
}

impl<T: 'static> Average<T> {
    fn new(serde: Arc<dyn Serde<T>>) -> Self {
        let (measured, bytes, asked) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Average { serde, measured, bytes, asked, scratch: RefCell::default() }
    }

    fn measure(&self, value: &T) -> usize {
        if let Some(bytes) = self.serde.heap_bytes(value) {
            self.note(bytes);
            return bytes;
        }
        let asked = self.asked.replace(self.asked.get().wrapping_add(1));
        if asked < 64 || asked.is_multiple_of(64) {
            let mut scratch = self.scratch.borrow_mut();
            scratch.clear();
            if self.serde.encode(value, &mut scratch).is_ok() {
                self.note(scratch.len());
            }
        }
        self.average() as usize
    }

    fn note(&self, bytes: usize) {
        if self.measured.get() >= 1 << 20 {
            // Old ones count less and less.
            self.measured.set(self.measured.get() / 2);
            self.bytes.set(self.bytes.get() / 2);
        }
        self.measured.set(self.measured.get() + 1);
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    fn average(&self) -> u64 {
        self.bytes.get().checked_div(self.measured.get()).unwrap_or(0)
    }
}

/// The bytes of a hash table with entries of `T` in a vector beside it, as `indexmap` has them.
pub(crate) fn index_map<T>(capacity: usize) -> u64 {
    // The hash is kept beside the entry; in the table there are a number and a byte for each of the buckets, 7/8 of them full.
    (capacity * (size_of::<T>() + 8) + buckets(capacity) * 9) as u64
}

/// The bytes of a hash table of `T`.
pub(crate) fn hash_map<T>(capacity: usize) -> u64 {
    (buckets(capacity) * (size_of::<T>() + 1)) as u64
}

fn buckets(capacity: usize) -> usize {
    if capacity == 0 { 0 } else { (capacity * 8 / 7).next_power_of_two() }
}

/// The bytes of a `BTreeMap` of so many `T`: nodes have room for 11, and 7 of them on average.
pub(crate) fn b_tree<T>(len: usize) -> u64 {
    if len == 0 {
        return 0;
    }
    // A seventh of all nodes are inner ones, with twelve edges more.
    let node = 11 * size_of::<T>() + 16 + 14;
    (len.div_ceil(7) * node) as u64
}

/// The bytes of lists of `T` by time, so many in so many lists.
pub(crate) fn lists_by_time<T>(lists: usize, len: usize) -> u64 {
    // A list of one has room for four.
    b_tree::<(i64, Vec<T>)>(lists) + ((lists * 4).max(len * 4 / 3) * size_of::<T>()) as u64
}
