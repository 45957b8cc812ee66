//! Formats behind a real schema registry, on a real Kafka, with the clients of others on the other side.

mod avro;
mod away;
mod compatibility;
mod java;
mod json;
mod program;
mod protobuf;
mod python;
mod services;
