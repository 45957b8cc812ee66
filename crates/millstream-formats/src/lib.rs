//! Formats of records beside those that the engine has: Avro, Protobuf, JSON Schema, CSV and MessagePack, each behind the
//! Cargo feature of its name, and the schema registry behind the first three.

#[cfg(feature = "avro")]
pub mod avro;
#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "avro")]
mod formats;
#[cfg(feature = "registry")]
pub mod fuzz;
#[cfg(feature = "json-schema")]
pub mod json_schema;
#[cfg(feature = "message-pack")]
pub mod message_pack;
#[cfg(feature = "protobuf")]
pub mod protobuf;
#[cfg(feature = "registry")]
pub mod registry;

#[cfg(feature = "avro")]
pub use formats::{Chosen, Format, Formats};
