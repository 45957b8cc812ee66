//! Which message of its file a record is: between the frame and the message Confluent's format has the path to it, an index for
//! each level of nesting. First comes how many there are, all as zig-zag varints; a single 0 stands for the file's first message.

use millstream::serde::SerdeError;
use prost::encoding::{decode_varint, encode_varint};

/// protoc's limit for nested messages is half of this.
const LEVELS_MAX: usize = 64;

/// Appends the path to a message.
pub(super) fn write(path: &[u32], out: &mut Vec<u8>) {
    if path == [0] {
        return out.push(0);
    }
    encode_varint(path.len() as u64 * 2, out);
    for index in path {
        encode_varint(u64::from(*index) * 2, out);
    }
}

/// The path to a message, and what comes behind it.
pub(super) fn split(bytes: &[u8]) -> Result<(Vec<u32>, &[u8]), SerdeError> {
    let mut rest = bytes;
    let count = number(&mut rest)? as usize;
    if count > LEVELS_MAX {
        return Err(SerdeError::new(format!(
            "found {count} message indexes behind the schema's id; messages are nested {LEVELS_MAX} deep at most"
        )));
    }
    if count == 0 {
        return Ok((vec![0], rest));
    }
    let path = (0..count).map(|_| number(&mut rest)).collect::<Result<_, _>>()?;
    Ok((path, rest))
}

/// A zig-zag varint that is not negative.
fn number(rest: &mut &[u8]) -> Result<u32, SerdeError> {
    let found = *rest;
    let number =
        decode_varint(rest).ok().filter(|coded| coded % 2 == 0).and_then(|coded| u32::try_from(coded / 2).ok());
    number.ok_or_else(|| {
        SerdeError::new(format!(
            "found {:02x?} where a message index is to be; it is a zig-zag varint from 0 to {}",
            &found[..found.len().min(10)],
            u32::MAX
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::{split, write};

    #[test]
    fn the_first_message_is_a_single_zero() {
        for (path, expected) in
            [(&[0][..], &[0][..]), (&[1], &[2, 2]), (&[0, 0], &[4, 0, 0]), (&[2, 64, 1], &[6, 4, 0x80, 1, 2])]
        {
            let mut out = Vec::new();
            write(path, &mut out);
            assert_eq!(out, expected);
            out.push(9);
            assert_eq!(split(&out), Ok((path.to_vec(), &[9][..])));
        }
        assert_eq!(split(&[2, 0, 9]), Ok((vec![0], &[9][..])), "the long form of the first message");
    }

    #[test]
    fn absurd_indexes_are_told() {
        for (bytes, expected) in [
            (&[][..], "found []"),
            (&[2], "found []"),
            (&[1], "found [01]"),
            (&[2, 3], "found [03]"),
            (&[0x82, 1, 0], "found 65 message indexes"),
            (&[0xfe, 0xff, 0xff, 0xff, 0x0f], "found 2147483647 message indexes"),
            (&[0xff; 12], "found [ff, ff, ff, ff, ff, ff, ff, ff, ff, ff]"),
            (&[2, 0x80, 0x80, 0x80, 0x80, 0x20], "found [80, 80, 80, 80, 20]"),
        ] {
            let error = split(bytes).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{bytes:02x?}: {error}");
        }
    }
}
