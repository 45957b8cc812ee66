//! Protobuf, through a schema registry: [`Protobuf`] for Rust types that prost has, [`ProtobufRecords`] for messages whose type is
//! known at run time only. Schemas are compiled here, by protox; there is no need of protoc.
//!
//! A record is a byte 0, the schema's id, the path to its message within the schema, and the message. Whatever bytes come, a
//! decoder's work is bounded by their number: messages are read 100 deep at most, and a length beyond the record's end is an error.
//! Bytes behind a message are fields to Protobuf: an error where they are none that can be, else unknown fields.

mod dynamic;
mod indexes;
mod schema;
#[cfg(test)]
mod tests;
mod typed;

pub use dynamic::{ProtobufRecord, ProtobufRecords};
/// The crate of [`DynamicMessage`](prost_reflect::DynamicMessage), in the version that records are of.
pub use prost_reflect;
pub use schema::{ProtobufSchema, ProtobufSchemaError};
pub use typed::Protobuf;

use millstream::serde::SerdeError;

use crate::registry::SchemaId;

impl From<ProtobufSchemaError> for SerdeError {
    fn from(error: ProtobufSchemaError) -> Self {
        SerdeError::new(error.to_string())
    }
}

fn no_message(id: SchemaId, path: &[u32]) -> SerdeError {
    SerdeError::new(format!(
        "found the message indexes {path:?}, at which the schema with the id {id} has no message; they count messages from 0 on, \
         for each level of nesting"
    ))
}

fn unread(name: &str, id: SchemaId, error: &prost::DecodeError) -> SerdeError {
    SerdeError::new(format!("no valid {name} (schema id {id}): {error}"))
}
