use super::{Serde, SerdeError};

/// Bytes as they are, as `Vec<u8>`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

impl Serde<Vec<u8>> for Bytes {
    fn encode(&self, value: &Vec<u8>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, SerdeError> {
        Ok(bytes.to_vec())
    }

    fn heap_bytes(&self, value: &Vec<u8>) -> Option<usize> {
        Some(value.capacity())
    }
}

/// Text in UTF-8, as `String`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8;

impl Serde<String> for Utf8 {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, SerdeError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(e) => Err(SerdeError::new(format!(
                "found {} bytes that are not UTF-8 from byte {} on; expected text",
                bytes.len(),
                e.valid_up_to()
            ))),
        }
    }

    fn heap_bytes(&self, value: &String) -> Option<usize> {
        Some(value.capacity())
    }
}

/// No key (or no value): written as null, and whatever is there is ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unit;

impl Serde<()> for Unit {
    fn encode(&self, _value: &(), _out: &mut Vec<u8>) -> Result<(), SerdeError> {
        Ok(())
    }

    fn decode(&self, _bytes: &[u8]) -> Result<(), SerdeError> {
        Ok(())
    }

    fn is_null(&self, _value: &()) -> bool {
        true
    }

    fn decode_null(&self) -> Result<(), SerdeError> {
        Ok(())
    }
}
