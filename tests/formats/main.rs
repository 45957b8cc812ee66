//! Formats behind a real schema registry, on a real Kafka, with the clients of others on the other side.

mod avro;
mod away;
mod compatibility;
mod json;
mod protobuf;
mod python;
mod services;
