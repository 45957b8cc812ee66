//! Serdes: how keys and values become bytes on a topic, and values again.

mod json;
mod nullable;
mod numbers;
mod plain;
mod windowed;

pub use json::Json;
pub use nullable::Nullable;
pub use numbers::{Be32, Be64, F32, F64};
pub use plain::{Bytes, Unit, Utf8};
pub use windowed::{SessionWindowed, TimeWindowed};

pub(crate) use windowed::split_session;

use std::sync::Arc;

/// Why bytes could not be read, or a value not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SerdeError {
    message: String,
    is_transient: bool,
}

impl SerdeError {
    /// An error that says what was found and what would be right.
    pub fn new(message: impl Into<String>) -> Self {
        SerdeError { message: message.into(), is_transient: false }
    }

    /// Not now: what the serde needs does not answer, such as a schema registry, and no record is to blame. The worker goes back
    /// to the last commit and tries again, after ever longer pauses; no error policy applies.
    pub fn transient(message: impl Into<String>) -> Self {
        SerdeError { message: message.into(), is_transient: true }
    }

    /// Whether it is to be tried again.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }
}

/// Writes and reads one type. A serde is a small value, `Utf8` or `Json::new()`, not the type that it reads.
pub trait Serde<T>: Send + Sync + 'static {
    /// Appends the bytes of `value` to `out`.
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError>;

    /// Reads a value from all of `bytes`.
    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError>;

    /// Whether values can be written at all, as far as can be said before there is one: a schema registry may refuse their
    /// schema. Asked once, before the first record, of what writes to sinks, repartition topics and changelogs.
    fn check_writable(&self) -> Result<(), SerdeError> {
        Ok(())
    }

    /// Whether `value` is written as null, not as bytes.
    fn is_null(&self, _value: &T) -> bool {
        false
    }

    /// What null reads as; an error for most types.
    fn decode_null(&self) -> Result<T, SerdeError> {
        Err(SerdeError::new("found null; wrap the serde in Nullable to read it as None"))
    }

    /// The part of an encoded key that chooses its partition: all of it, except for windowed keys.
    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        encoded
    }

    /// How many bytes `value` has on the heap, beside its own size, for estimates of a store's memory. `None` for not known:
    /// then what it is when encoded stands for it. To be cheap: asked of each changed row at each commit.
    fn heap_bytes(&self, _value: &T) -> Option<usize> {
        if std::mem::needs_drop::<T>() { None } else { Some(0) }
    }
}

/// A serde that is shared is one, too.
impl<T: 'static> Serde<T> for Arc<dyn Serde<T>> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        (**self).encode(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        (**self).decode(bytes)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        (**self).check_writable()
    }

    fn is_null(&self, value: &T) -> bool {
        (**self).is_null(value)
    }

    fn decode_null(&self) -> Result<T, SerdeError> {
        (**self).decode_null()
    }

    fn partition_bytes<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        (**self).partition_bytes(encoded)
    }

    fn heap_bytes(&self, value: &T) -> Option<usize> {
        (**self).heap_bytes(value)
    }
}

/// Reads bytes or null.
pub(crate) fn decode<T: 'static>(serde: &dyn Serde<T>, bytes: Option<&[u8]>) -> Result<T, SerdeError> {
    match bytes {
        Some(bytes) => serde.decode(bytes),
        None => serde.decode_null(),
    }
}

/// Writes into the emptied `out`; `None` for null.
pub(crate) fn encode<'a, T: 'static>(
    serde: &dyn Serde<T>,
    value: &T,
    out: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, SerdeError> {
    out.clear();
    if serde.is_null(value) {
        return Ok(None);
    }
    serde.encode(value, out)?;
    Ok(Some(out))
}

/// Writes the value of a row into the emptied `out`; `None` for a deletion. A null value that comes back from no bytes at all is
/// written as none: a null would delete its row.
pub(crate) fn encode_row<'a, T: 'static>(
    serde: &dyn Serde<T>,
    value: &T,
    out: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, SerdeError> {
    out.clear();
    if serde.is_null(value) && !comes_back(serde) {
        return Ok(None);
    }
    serde.encode(value, out)?;
    Ok(Some(out))
}

/// Whether null comes back from no bytes at all.
pub(crate) fn comes_back<T: 'static>(serde: &dyn Serde<T>) -> bool {
    serde.decode(&[]).is_ok_and(|back| serde.is_null(&back))
}

/// Appends the key of a row. A null key that would come back as another one is an error.
pub(crate) fn append_key<T: 'static>(serde: &dyn Serde<T>, key: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
    if serde.is_null(key) && !comes_back(serde) {
        return Err(SerdeError::new(
            "found a null key, which no row can have; leave such records out, by a filter, before they are grouped, joined or \
             stored",
        ));
    }
    serde.encode(key, out)
}

#[cfg(test)]
mod tests {
    use super::{Nullable, Unit, Utf8, append_key, encode_row};

    #[test]
    fn a_null_key_is_refused_unless_there_is_no_other() {
        let mut out = Vec::new();
        append_key(&Unit, &(), &mut out).unwrap();
        append_key(&Nullable(Utf8), &Some("a".to_owned()), &mut out).unwrap();
        assert_eq!(out, b"a");
        let error = append_key(&Nullable(Utf8), &None, &mut out).unwrap_err();
        assert!(error.to_string().contains("null key"), "{error}");
    }

    #[test]
    fn a_row_without_content_is_no_deletion() {
        let mut out = Vec::new();
        assert_eq!(encode_row(&Unit, &(), &mut out).unwrap(), Some(&[][..]));
        assert_eq!(encode_row(&Nullable(Utf8), &None, &mut out).unwrap(), None);
    }
}
