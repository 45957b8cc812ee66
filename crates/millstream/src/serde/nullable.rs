use super::{Serde, SerdeError};

/// Null as `None`, everything else by the serde within.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nullable<S>(pub S);

impl<T, S: Serde<T>> Serde<Option<T>> for Nullable<S> {
    fn encode(&self, value: &Option<T>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        match value {
            Some(value) => self.0.encode(value, out),
            None => Ok(()),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Option<T>, SerdeError> {
        self.0.decode(bytes).map(Some)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        self.0.check_writable()
    }

    fn is_null(&self, value: &Option<T>) -> bool {
        value.as_ref().is_none_or(|value| self.0.is_null(value))
    }

    fn decode_null(&self) -> Result<Option<T>, SerdeError> {
        Ok(None)
    }

    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        self.0.partition_bytes(encoded)
    }

    fn heap_bytes(&self, value: &Option<T>) -> Option<usize> {
        value.as_ref().map_or(Some(0), |value| self.0.heap_bytes(value))
    }
}
