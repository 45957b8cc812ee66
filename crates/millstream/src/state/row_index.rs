use std::hint::cold_path;

use hashbrown::HashTable;

/// The numbers of rows, found by the hashes of their keys.
///
/// One hash table as long as there are few, and [`SHARDS`] from then on: each grows for itself, by doubling, so that no
/// insertion waits for more than a small part of the numbers to be moved, nor is there room for all of them twice. The
/// hashes lie with the rows: growing asks no key for its hash.
pub(super) enum RowIndex {
    One(HashTable<u32>),
    /// By the first bits of the hash.
    Sharded(Box<[HashTable<u32>; SHARDS]>),
}

/// So many shards there are when there are more than [`SHARD_FROM`] rows.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 8;
/// As many as a table of 65,536 buckets has room for.
const SHARD_FROM: usize = 57_344;

impl Default for RowIndex {
    fn default() -> Self {
        RowIndex::One(HashTable::new())
    }
}

impl RowIndex {
    /// The row with this hash of which `is_it` says that it has the key.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.table(hash).find(spread(hash), |row| is_it(*row)).copied()
    }

    /// Adds a row; one with the same key must not be there. `hash_of` says the hashes of the others.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, row: u32, hash_of: impl Fn(u32) -> u32) {
        if let RowIndex::One(all) = self
            && all.len() == SHARD_FROM
        {
            *self = sharded(all, &hash_of);
        }
        self.table_mut(hash).insert_unique(spread(hash), row, |row| spread(hash_of(*row)));
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, hash: u32, row: u32) {
        if let Ok(found) = self.table_mut(hash).find_entry(spread(hash), |found| *found == row) {
            found.remove();
        }
    }

    /// Gives a row another number.
    pub(super) fn renumber(&mut self, hash: u32, from: u32, to: u32) {
        if let Some(found) = self.table_mut(hash).find_mut(spread(hash), |found| *found == from) {
            *found = to;
        }
    }

    /// The bytes it has on the heap.
    pub(super) fn heap(&self) -> usize {
        match self {
            RowIndex::One(all) => all.allocation_size(),
            RowIndex::Sharded(shards) => {
                shards.iter().map(HashTable::allocation_size).sum::<usize>() + size_of_val(&**shards)
            }
        }
    }

    #[inline]
    fn table(&self, hash: u32) -> &HashTable<u32> {
        match self {
            RowIndex::One(all) => all,
            RowIndex::Sharded(shards) => {
                // Not that it were rare: it makes a branch of this, which takes less than conditional moves.
                cold_path();
                &shards[shard_of(hash)]
            }
        }
    }

    #[inline]
    fn table_mut(&mut self, hash: u32) -> &mut HashTable<u32> {
        match self {
            RowIndex::One(all) => all,
            RowIndex::Sharded(shards) => &mut shards[shard_of(hash)],
        }
    }
}

#[inline]
fn shard_of(hash: u32) -> usize {
    (hash >> (u32::BITS - SHARD_BITS)) as usize
}

/// Moves all numbers from one table to the shards.
#[cold]
fn sharded(all: &HashTable<u32>, hash_of: &dyn Fn(u32) -> u32) -> RowIndex {
    let mut shards = Box::new(std::array::from_fn(|_| HashTable::with_capacity(2 * SHARD_FROM / SHARDS)));
    for row in all {
        let hash = hash_of(*row);
        let shard: &mut HashTable<u32> = &mut shards[shard_of(hash)];
        shard.insert_unique(spread(hash), *row, |row| spread(hash_of(*row)));
    }
    RowIndex::Sharded(shards)
}

/// A hash for a table, which chooses the bucket by its lowest bits, and tells the keys of a few buckets apart by its seven
/// highest. The highest of ours are the same for a whole shard; so those in the middle.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash) | u64::from(hash) << 41
}
