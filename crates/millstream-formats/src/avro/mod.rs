//! Avro, through a schema registry: [`Avro`] for Rust types by their `Serialize` and `Deserialize`, and [`AvroRecords`] for
//! [`AvroRecord`]s, whose type is known only at run time.
//!
//! A schema is written by hand ([`AvroSchema::parse`]), derived from a type ([`AvroSchema::of`]) or fetched from the registry
//! ([`AvroSchema::latest`]). What another schema wrote is brought to the reader's by Avro's rules of schema resolution: a plan of
//! it is made once for each writer's schema. The plan is run before anything is decoded, and holds lengths, depth and work within
//! bounds, whatever the bytes say.

mod compile;
mod default;
pub(crate) mod fuzz;
mod plain;
mod plan;
mod reader;
mod record;
mod schema;
mod serde;
mod typed;
mod value;
mod walk;

pub use apache_avro;
pub use record::AvroRecord;
pub use schema::{AvroSchema, SchemaError};
pub use serde::{Avro, AvroRecords};
