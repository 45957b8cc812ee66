use super::frames::{Decoder, Frame};

/// Any bytes as another instance's answer with the state of a task, in pieces of a length that the first byte says. What is
/// read of it cannot be more than there was.
pub fn state_of_a_task(data: &[u8]) {
    let Some((piece, data)) = data.split_first() else { return };
    let (mut decoder, mut read) = (Decoder::default(), 0);
    for piece in data.chunks(usize::from(*piece).max(1)) {
        decoder.push(piece);
        while let Ok(Some(frame)) = decoder.next() {
            read += match frame {
                Frame::Begin(stores) => stores.iter().map(|store| store.store.len()).sum(),
                Frame::Row(row) => row.key.map_or(0, <[u8]>::len) + row.value.map_or(0, <[u8]>::len),
                Frame::End(_) => 0,
            };
        }
    }
    assert!(read <= data.len(), "{read} bytes of {}", data.len());
}
