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

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.key.check_writable()
    }

    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        &encoded[..encoded.len().saturating_sub(8)]
    }

    fn heap_bytes(&self, value: &Windowed<K>) -> Option<usize> {
        self.key.heap_bytes(&value.key)
    }
}

/// A session's key as Kafka's `SessionWindowedSerializer` writes it: the key's bytes, then the session's end and its start in
/// ms, each as eight bytes, big-endian.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionWindowed<S>(pub S);

impl<K, S: Serde<K>> Serde<Windowed<K>> for SessionWindowed<S> {
    fn encode(&self, value: &Windowed<K>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        self.0.encode(&value.key, out)?;
        out.extend_from_slice(&value.window.end.to_be_bytes());
        out.extend_from_slice(&value.window.start.to_be_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Windowed<K>, SerdeError> {
        let (key, window) = split_session(bytes)?;
        Ok(Windowed { key: self.0.decode(key)?, window })
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.0.check_writable()
    }

    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        &encoded[..encoded.len().saturating_sub(16)]
    }

    fn heap_bytes(&self, value: &Windowed<K>) -> Option<usize> {
        self.0.heap_bytes(&value.key)
    }
}

/// The bytes of a session's key, and the session.
pub(crate) fn split_session(bytes: &[u8]) -> Result<(&[u8], Window), SerdeError> {
    let split = bytes.split_last_chunk::<8>().and_then(|(rest, start)| Some((rest.split_last_chunk::<8>()?, start)));
    let Some(((key, end), start)) = split else {
        let found = bytes.len();
        return Err(SerdeError::new(format!(
            "found {found} bytes; a session's key has at least the 16 of its end and start"
        )));
    };
    Ok((key, Window { start: i64::from_be_bytes(*start), end: i64::from_be_bytes(*end) }))
}

#[cfg(test)]
mod tests {
    use super::{SessionWindowed, TimeWindowed};
    use crate::serde::{Serde, Utf8};
    use crate::window::{Window, Windowed};

    /// The bytes that Kafka's serializers of the same names write.
    #[test]
    fn windowed_keys_are_written_as_kafka_streams_writes_them() {
        let key = Windowed { key: "k".to_string(), window: Window { start: 1, end: 0x0102 } };
        let (session, time) = (SessionWindowed(Utf8), TimeWindowed::new(Utf8, 0x0101));
        let mut bytes = Vec::new();
        session.encode(&key, &mut bytes).unwrap();
        assert_eq!(bytes, [b'k', 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(Serde::<Windowed<String>>::partition_bytes(&session, &bytes), b"k");
        assert_eq!(session.decode(&bytes).as_ref(), Ok(&key));
        assert!(Serde::<Windowed<String>>::decode(&session, &bytes[2..]).is_err());
        bytes.clear();
        time.encode(&key, &mut bytes).unwrap();
        assert_eq!(bytes, [b'k', 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(time.decode(&bytes).as_ref(), Ok(&key));
    }
}
