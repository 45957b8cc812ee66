use std::borrow::Cow;

use crate::broker::Message;
use crate::record::{Headers, Timestamp};

/// What an answer begins with: who does not write it is no Millstream of this version.
const MAGIC: &[u8; 8] = b"mlstate1";
/// What is longer cannot be a part of a row: Kafka takes no such records.
const LENGTH_MAX: u32 = 256 << 20;
/// Stands for null where a length is expected.
const NULL: u32 = u32::MAX;

const ROW: u8 = 1;
const END: u8 = 2;

/// A store of the one that hands out, and the position up to which it had the store's changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StorePosition {
    pub(super) store: Cow<'static, str>,
    pub(super) position: i64,
}

/// A row of a store, as it would be in the changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The store's place among those of the beginning.
    pub(super) store: u16,
    pub(super) timestamp: Timestamp,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Headers,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Begin(Vec<StorePosition>),
    Row(Row<'a>),
    /// So many rows were handed out.
    End(u64),
}

impl<'a> Row<'a> {
    /// As a record of the changelog, though it has no offset there.
    pub(super) fn into_message(self) -> Message<'a> {
        let Row { timestamp, key, value, headers, .. } = self;
        Message { offset: -1, timestamp, key, value, headers }
    }
}

/// Writes the beginning of an answer.
pub(super) fn begin(stores: &[StorePosition], to: &mut Vec<u8>) {
    to.extend_from_slice(MAGIC);
    to.extend_from_slice(&(stores.len() as u16).to_be_bytes());
    for StorePosition { store, position } in stores {
        put(to, Some(store.as_bytes()));
        to.extend_from_slice(&position.to_be_bytes());
    }
}

/// Writes a row.
pub(super) fn row(
    store: u16,
    key: &[u8],
    value: Option<&[u8]>,
    timestamp: Timestamp,
    headers: &Headers,
    to: &mut Vec<u8>,
) {
    to.push(ROW);
    to.extend_from_slice(&store.to_be_bytes());
    to.extend_from_slice(&timestamp.to_be_bytes());
    put(to, Some(key));
    put(to, value);
    to.extend_from_slice(&(headers.len() as u16).to_be_bytes());
    for (name, value) in headers.iter() {
        put(to, Some(name.as_bytes()));
        put(to, value.as_deref());
    }
}

/// Writes the end of an answer.
pub(super) fn end(rows: u64, to: &mut Vec<u8>) {
    to.push(END);
    to.extend_from_slice(&rows.to_be_bytes());
}

fn put(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => to.extend_from_slice(&NULL.to_be_bytes()),
        Some(bytes) => {
            to.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            to.extend_from_slice(bytes);
        }
    }
}

/// Reads an answer that comes in pieces of any length.
#[derive(Default)]
pub(super) struct Decoder {
    bytes: Vec<u8>,
    /// How far `bytes` are read.
    read: usize,
    has_begun: bool,
}

impl Decoder {
    /// Takes what has come.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next frame, if all of it is here.
    ///
    /// # Errors
    /// What is no answer of this version, as text.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, String> {
        let mut input = Input { bytes: &self.bytes, read: self.read };
        let frame = if self.has_begun { input.frame() } else { input.begin() };
        match frame {
            Ok(frame) => {
                self.read = input.read;
                self.has_begun = true;
                Ok(Some(frame))
            }
            Err(Stop::Short) => Ok(None),
            Err(Stop::Wrong(what)) => Err(what),
        }
    }
}

enum Stop {
    /// More must come first.
    Short,
    Wrong(String),
}

struct Input<'a> {
    bytes: &'a [u8],
    read: usize,
}

impl<'a> Input<'a> {
    fn begin(&mut self) -> Result<Frame<'a>, Stop> {
        let magic = self.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(Stop::Wrong("it does not begin as the state of a task".to_owned()));
        }
        let count = u16::from_be_bytes(self.array()?);
        let stores = (0..count).map(|_| {
            let store = Cow::Owned(self.text()?);
            Ok(StorePosition { store, position: i64::from_be_bytes(self.array()?) })
        });
        Ok(Frame::Begin(stores.collect::<Result<_, _>>()?))
    }

    fn frame(&mut self) -> Result<Frame<'a>, Stop> {
        match self.array::<1>()? {
            [ROW] => {
                let store = u16::from_be_bytes(self.array()?);
                let timestamp = i64::from_be_bytes(self.array()?);
                let (key, value) = (self.bytes()?, self.bytes()?);
                let count = u16::from_be_bytes(self.array()?);
                let headers = (0..count).map(|_| Ok((self.text()?, self.bytes()?.map(<[u8]>::to_vec))));
                let headers = headers.collect::<Result<_, _>>()?;
                Ok(Frame::Row(Row { store, timestamp, key, value, headers }))
            }
            [END] => Ok(Frame::End(u64::from_be_bytes(self.array()?))),
            [other] => Err(Stop::Wrong(format!("a part of it is of kind {other}, which there is not"))),
        }
    }

    fn text(&mut self) -> Result<String, Stop> {
        let bytes = self.bytes()?.unwrap_or_default();
        String::from_utf8(bytes.to_vec()).map_err(|_| Stop::Wrong("a name in it is not UTF-8".to_owned()))
    }

    fn bytes(&mut self) -> Result<Option<&'a [u8]>, Stop> {
        match u32::from_be_bytes(self.array()?) {
            NULL => Ok(None),
            length if length > LENGTH_MAX => Err(Stop::Wrong(format!("a part of it is to have {length} bytes"))),
            length => self.take(length as usize).map(Some),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let taken = self.bytes.get(self.read..self.read + length).ok_or(Stop::Short)?;
        self.read += length;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a frame says, without borrowing.
    fn told(frame: &Frame<'_>) -> String {
        format!("{frame:?}")
    }

    fn answer() -> (Vec<u8>, Vec<String>) {
        let stores =
            ["counts", "windows"].map(|store| StorePosition { store: store.into(), position: store.len() as i64 });
        let headers: Headers = [("v".to_owned(), Some(vec![1])), (String::new(), None)].into_iter().collect();
        let mut bytes = Vec::new();
        begin(&stores, &mut bytes);
        row(0, b"key", Some(b"value"), -5, &Headers::default(), &mut bytes);
        row(1, b"", None, i64::MAX, &headers, &mut bytes);
        end(2, &mut bytes);
        let rows = [
            Row { store: 0, timestamp: -5, key: Some(b"key"), value: Some(b"value"), headers: Headers::default() },
            Row { store: 1, timestamp: i64::MAX, key: Some(b""), value: None, headers },
        ];
        let frames = [Frame::Begin(stores.to_vec())].into_iter().chain(rows.map(Frame::Row)).chain([Frame::End(2)]);
        (bytes, frames.map(|frame| told(&frame)).collect())
    }

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, String> {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(frame) = decoder.next()? {
                frames.push(told(&frame));
            }
        }
        Ok(frames)
    }

    #[test]
    fn says_what_is_no_answer() {
        assert!(decode([b"<html> no".as_slice()]).unwrap_err().contains("does not begin as"));
        let (mut bytes, _) = answer();
        let last = bytes.len() - 9;
        bytes[last] = 7;
        assert!(decode([bytes.as_slice()]).unwrap_err().contains("of kind 7"));
        let mut absurd = answer().0[..10].to_vec();
        absurd.extend_from_slice(&[0xf0; 4]);
        assert!(decode([absurd.as_slice()]).unwrap_err().contains("4042322160 bytes"));
    }

    proptest! {
        #[test]
        fn comes_back_however_it_is_cut(piece in 1usize..80) {
            let (bytes, frames) = answer();
            prop_assert_eq!(decode(bytes.chunks(piece)).unwrap(), frames);
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(mut bytes: Vec<u8>, well_begun: bool) {
            if well_begun {
                let mut begun = answer().0[..8].to_vec();
                begun.append(&mut bytes);
                bytes = begun;
            }
            let _ = decode([bytes.as_slice()]);
        }
    }
}
