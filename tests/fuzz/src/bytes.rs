use millstream::record::Timestamp;

/// Input, taken piece by piece; at its end zeros come.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn one(&mut self) -> u8 {
        self.some(1).first().copied().unwrap_or(0)
    }

    /// So many, or as many as there are.
    pub(crate) fn some(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A piece that says its own length.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = self.one() % 64;
        self.some(length.into())
    }

    pub(crate) fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        let found = self.some(8);
        bytes[..found.len()].copy_from_slice(found);
        i64::from_be_bytes(bytes)
    }

    /// Mostly one near others; sometimes any.
    pub(crate) fn timestamp(&mut self) -> Timestamp {
        match self.one() {
            255 => self.number(),
            near => i64::from(near) * 1_000,
        }
    }
}
