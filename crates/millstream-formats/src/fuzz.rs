//! What decoders of this crate do with whatever bytes come: for `tests/fuzz`.

/// The wire format: what is split is put together again.
pub fn frame(data: &[u8]) {
    use crate::registry::frame::{split, write};
    let Ok((id, rest)) = split(data) else { return };
    let mut again = Vec::new();
    write(id, &mut again);
    again.extend_from_slice(rest);
    assert_eq!(again, data, "what is split is not put together again");
}

#[cfg(feature = "avro")]
pub use crate::avro::fuzz::avro;
