//! Avro, through a schema registry.
