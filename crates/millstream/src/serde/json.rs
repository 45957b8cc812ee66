use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Serde, SerdeError};

/// JSON by the type's own `Serialize` and `Deserialize`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Serde<T> for Json {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        serde_json::to_writer(out, value).map_err(|e| SerdeError::new(format!("cannot be written as JSON: {e}")))
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        serde_json::from_slice(bytes).map_err(|e| {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
            SerdeError::new(format!("not the JSON expected: {e}; it begins with {start:?}"))
        })
    }
}
