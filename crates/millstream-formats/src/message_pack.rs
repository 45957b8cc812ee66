//! MessagePack.

use millstream::serde::{Serde, SerdeError};
use rmp_serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Values are read so deep and no deeper, as in JSON.
const DEPTH_MAX: usize = 128;

/// MessagePack by the type's own `Serialize` and `Deserialize`. Structs are written as maps with the names of their fields, so
/// that a type may get fields and lose some; those that are written as arrays, by another program, are read, too.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

impl<T: Serialize + DeserializeOwned> Serde<T> for MessagePack {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        rmp_serde::encode::write_named(out, value)
            .map_err(|error| SerdeError::new(format!("cannot be written as MessagePack: {error}")))
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let mut deserializer = Deserializer::new(bytes);
        deserializer.set_max_depth(DEPTH_MAX);
        let value = T::deserialize(&mut deserializer).map_err(|error| {
            let at = bytes.len() - deserializer.get_ref().len();
            SerdeError::new(format!("not the MessagePack expected, at byte {at} of {}: {error}", bytes.len()))
        })?;
        match deserializer.get_ref() {
            [] => Ok(value),
            rest => Err(SerdeError::new(format!(
                "found {} bytes behind the value in MessagePack; a record is one value",
                rest.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::{MessagePack, Serde, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: u32,
        #[serde(default)]
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nested(Vec<Nested>);

    fn error<T: Serialize + serde::de::DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) -> String {
        Serde::<T>::decode(&MessagePack, bytes).unwrap_err().to_string()
    }

    #[test]
    fn structs_are_maps_and_may_be_arrays() {
        let order = Order { id: 7, note: Some("a".into()) };
        let mut out = Vec::new();
        MessagePack.encode(&order, &mut out).unwrap();
        assert_eq!(out, b"\x82\xa2id\x07\xa4note\xa1a");
        assert_eq!(MessagePack.decode(&out), Ok(order));
        assert_eq!(MessagePack.decode(b"\x92\x07\xa1b"), Ok(Order { id: 7, note: Some("b".into()) }));
        assert_eq!(MessagePack.decode(b"\x81\xa2id\x08"), Ok(Order { id: 8, note: None }));
        let map = BTreeMap::from([("x".to_owned(), -1_i64)]);
        out.clear();
        MessagePack.encode(&map, &mut out).unwrap();
        assert_eq!(MessagePack.decode(&out), Ok(map));
    }

    #[test]
    fn what_cannot_be_is_told() {
        assert_eq!(error::<u8>(&[7, 8, 9]), "found 2 bytes behind the value in MessagePack; a record is one value");
        assert!(error::<Order>(&[0x81, 0xa2, b'i', b'd']).contains("at byte 4 of 4"));
        assert!(error::<Vec<u8>>(&[0xdd, 0xff, 0xff, 0xff, 0xff, 1]).contains("at byte 6 of 6"));
        assert!(error::<String>(&[0xdb, 0xff, 0xff, 0xff, 0xff, b'a']).contains("not the MessagePack expected"));
        assert!(error::<Nested>(&[0x91; 100_000]).contains("depth limit exceeded"));
    }
}
