use serde::de::DeserializeOwned;

use super::http::Http;
use super::memory::Memory;
use super::{RegistryError, Schema};

/// Where answers come from.
#[derive(Debug)]
pub(super) enum Transport {
    Http(Http),
    Memory(Memory),
}

impl Transport {
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RegistryError> {
        match self {
            Transport::Http(http) => http.get(path),
            Transport::Memory(memory) => read(memory.answer(path, None)?),
        }
    }

    /// Posts a schema.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, schema: &Schema) -> Result<T, RegistryError> {
        match self {
            Transport::Http(http) => http.post(path, schema),
            Transport::Memory(memory) => read(memory.answer(path, Some(schema))?),
        }
    }
}

fn read<T: DeserializeOwned>(answer: serde_json::Value) -> Result<T, RegistryError> {
    serde_json::from_value(answer).map_err(|error| RegistryError::Unusable(error.to_string()))
}
