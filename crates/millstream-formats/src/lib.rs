//! Formats of records beside those that the engine has: Avro, Protobuf, JSON Schema, CSV and MessagePack, each behind the
//! Cargo feature of its name, and the schema registry behind the first three.

#[cfg(feature = "avro")]
pub mod avro;
#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "json-schema")]
pub mod json_schema;
#[cfg(feature = "message-pack")]
pub mod message_pack;
#[cfg(feature = "protobuf")]
pub mod protobuf;
#[cfg(feature = "registry")]
pub mod registry;
