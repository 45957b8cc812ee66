/// Rows by number, in chunks: a new row never moves the others, and memory grows by a chunk at a time.
pub(super) struct RowChunks<T> {
    /// All but the last one are full; the first grows like a vector, the others are made in their full size.
    chunks: Vec<Vec<T>>,
}

const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 12;

impl<T> Default for RowChunks<T> {
    fn default() -> Self {
        RowChunks { chunks: Vec::new() }
    }
}

impl<T> RowChunks<T> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// The number that the next row gets. Panics after 2^32 rows.
    #[inline]
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.len()).expect("a store of one task has fewer than 4,294,967,296 rows")
    }

    #[inline]
    pub(super) fn get(&self, row: u32) -> Option<&T> {
        let row = row as usize;
        self.chunks.get(row >> CHUNK_BITS)?.get(row % CHUNK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, row: u32) -> Option<&mut T> {
        let row = row as usize;
        self.chunks.get_mut(row >> CHUNK_BITS)?.get_mut(row % CHUNK)
    }

    #[inline]
    pub(super) fn push(&mut self, row: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(row),
            _ => self.push_chunk(row),
        }
    }

    #[cold]
    fn push_chunk(&mut self, row: T) {
        let mut chunk = if self.chunks.is_empty() { Vec::new() } else { Vec::with_capacity(CHUNK) };
        chunk.push(row);
        self.chunks.push(chunk);
    }

    /// Takes a row out; the last one gets its number.
    pub(super) fn swap_remove(&mut self, row: u32) -> Option<T> {
        self.get(row)?;
        let last = self.chunks.last_mut()?;
        let moved = last.pop()?;
        if last.is_empty() {
            self.chunks.pop();
        }
        Some(match self.get_mut(row) {
            Some(gap) => std::mem::replace(gap, moved),
            // It was the last one itself.
            None => moved,
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// The bytes it has on the heap, beside what the rows have there.
    pub(super) fn heap(&self) -> usize {
        let rows: usize = self.chunks.iter().map(Vec::capacity).sum();
        rows * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}
