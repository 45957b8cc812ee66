use super::{Serde, SerdeError};
use crate::window::{Window, Windowed};

/// A windowed key as Kafka's `TimeWindowedSerializer` writes it: the key's bytes, then the window's start in ms as
/// eight bytes, big-endian. The end is not written: reading takes the size that it is given.
#[derive(Clone, Copy, Debug)]
pub struct TimeWindowed<S> {
    key: S,
    size_ms: i64,
}

impl<S> TimeWindowed<S> {
    /// Windowed keys of windows of `size_ms`, the key within by `key`.
    pub fn new(key: S, size_ms: i64) -> Self {
        TimeWindowed { key, size_ms }
    }
}

impl<K, S: Serde<K>> Serde<Windowed<K>> for TimeWindowed<S> {
    fn encode(&self, value: &Windowed<K>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        self.key.encode(&value.key, out)?;
        out.extend_from_slice(&value.window.start.to_be_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Windowed<K>, SerdeError> {
        let Some((key, start)) = bytes.split_last_chunk::<8>() else {
            return Err(SerdeError::new(format!(
                "found {} bytes; a windowed key has at least the 8 of its window's start",
                bytes.len()
            )));
        };
        let start = i64::from_be_bytes(*start);
        let window = Window { start, end: start.saturating_add(self.size_ms) };
        Ok(Windowed { key: self.key.decode(key)?, window })
    }

    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        &encoded[..encoded.len().saturating_sub(8)]
    }
}
