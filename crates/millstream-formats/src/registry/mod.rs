//! A client of schema registries with Confluent's API (Confluent's own, Apicurio's, Karapace), and the wire format of
//! records that name their schema by its id.
//!
//! Nothing here is async: a serde is called on a worker's thread, and asks the registry once for each schema. While the
//! registry is away such a call says that it is [transient](millstream::serde::SerdeError::transient): the worker goes back
//! to the last commit and tries again, and no record is lost.

mod by_id;
mod client;
mod error;
pub mod frame;
mod http;
mod memory;
mod schema;
mod settings;
mod subject;
mod transport;
mod unknown;

pub use by_id::ById;
pub use client::Registry;
pub use error::RegistryError;
pub use schema::{Reference, RegisteredSchema, Schema, SchemaId, SchemaType};
pub use settings::{Credentials, RegistrySettings};
pub use subject::{Part, Subject, SubjectStrategy};
