use hashbrown::HashTable;

/// The numbers of rows, found by the hashes of their keys.
///
/// One hash table as long as there are few, and [`SHARDS`] from then on: each grows for itself, by doubling, so that no
/// insertion waits for more than a small part of the numbers to be moved, nor is there room for all of them twice. The
/// hashes lie with the rows: growing asks no key for its hash.
#[derive(Default)]
pub(super) struct RowIndex {
    /// None, one, or [`SHARDS`], by the first bits of the hash.
    shards: Vec<HashTable<u32>>,
    /// How many bits of the hash say which shard it is.
    shard_bits: u32,
}

/// So many shards there are when there are more than [`SHARD_FROM`] rows.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 8;
/// As many as a table of 65,536 buckets has room for.
const SHARD_FROM: usize = 57_344;

impl RowIndex {
    /// The row with this hash of which `is_it` says that it has the key.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let shard = self.shards.get(self.shard_of(hash))?;
        shard.find(spread(hash), |row| is_it(*row)).copied()
    }

    /// Adds a row; one with the same key must not be there. `hash_of` says the hashes of the others.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, row: u32, hash_of: impl Fn(u32) -> u32) {
        let shard = self.shard_of(hash);
        match self.shards.get_mut(shard) {
            Some(rows) if self.shard_bits > 0 || rows.len() < SHARD_FROM => {
                rows.insert_unique(spread(hash), row, |row| spread(hash_of(*row)));
            }
            _ => self.insert_in_more_shards(hash, row, &hash_of),
        }
    }

    /// Where the first shard is missing, or full.
    #[cold]
    fn insert_in_more_shards(&mut self, hash: u32, row: u32, hash_of: &dyn Fn(u32) -> u32) {
        let Some(all) = self.shards.pop() else {
            self.shards.push(HashTable::new());
            return self.insert(hash, row, hash_of);
        };
        self.shard_bits = SHARD_BITS;
        self.shards.resize_with(SHARDS, || HashTable::with_capacity(2 * SHARD_FROM / SHARDS));
        for (hash, row) in all.into_iter().map(|row| (hash_of(row), row)).chain([(hash, row)]) {
            let shard = self.shard_of(hash);
            self.shards[shard].insert_unique(spread(hash), row, |row| spread(hash_of(*row)));
        }
    }

    /// Takes a row out.
    pub(super) fn remove(&mut self, hash: u32, row: u32) {
        let shard = self.shard_of(hash);
        if let Some(shard) = self.shards.get_mut(shard)
            && let Ok(found) = shard.find_entry(spread(hash), |found| *found == row)
        {
            found.remove();
        }
    }

    /// Gives a row another number.
    pub(super) fn renumber(&mut self, hash: u32, from: u32, to: u32) {
        let shard = self.shard_of(hash);
        if let Some(shard) = self.shards.get_mut(shard)
            && let Some(found) = shard.find_mut(spread(hash), |found| *found == from)
        {
            *found = to;
        }
    }

    /// The bytes it has on the heap.
    pub(super) fn heap(&self) -> usize {
        let tables: usize = self.shards.iter().map(HashTable::allocation_size).sum();
        tables + self.shards.capacity() * size_of::<HashTable<u32>>()
    }

    #[inline]
    fn shard_of(&self, hash: u32) -> usize {
        ((u64::from(hash) << self.shard_bits) >> 32) as usize
    }
}

/// A hash for a table, which chooses the bucket by its lowest bits, and tells the keys of a few buckets apart by its seven
/// highest. The highest of ours are the same for a whole shard; so those in the middle.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash) | u64::from(hash) << 41
}
