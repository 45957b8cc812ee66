//! Confluent's wire format: a byte 0, the schema's id as four bytes, big-endian, and then what the schema describes.

use millstream::serde::SerdeError;

use super::SchemaId;

const MAGIC: u8 = 0;
/// How many bytes are in front of what the schema describes.
pub const FRAME_BYTES: usize = 5;

/// Appends what is in front of a record.
pub fn write(id: SchemaId, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.0.to_be_bytes());
}

/// The schema's id, and what it describes.
pub fn split(bytes: &[u8]) -> Result<(SchemaId, &[u8]), SerdeError> {
    match bytes.split_first_chunk::<FRAME_BYTES>() {
        Some(([MAGIC, id @ ..], rest)) => Ok((SchemaId(u32::from_be_bytes(*id)), rest)),
        Some(([magic, ..], _)) => Err(SerdeError::new(format!(
            "found {magic:#04x} as the first byte; a record of a schema registry begins with 0x00 and four bytes of its \
             schema's id"
        ))),
        None => Err(SerdeError::new(format!(
            "found {} bytes; a record of a schema registry begins with 5: 0x00 and its schema's id",
            bytes.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{SchemaId, split, write};

    #[test]
    fn the_id_is_in_front() {
        let mut out = vec![7];
        write(SchemaId(0x0102_0304), &mut out);
        assert_eq!(out, [7, 0, 1, 2, 3, 4]);
        assert_eq!(split(&[0, 1, 2, 3, 4, 9]), Ok((SchemaId(0x0102_0304), &[9][..])));
        assert_eq!(split(&[0, 0, 0, 0, 1]), Ok((SchemaId(1), &[][..])));
    }

    #[test]
    fn another_first_byte_or_too_few_are_told() {
        let error = split(b"{\"a\":1}").unwrap_err();
        assert!(error.to_string().starts_with("found 0x7b as the first byte"), "{error}");
        assert!(!error.is_transient());
        for short in [&[][..], &[0, 0, 0, 1]] {
            assert!(split(short).unwrap_err().to_string().contains(&format!("found {} bytes", short.len())));
        }
    }
}
