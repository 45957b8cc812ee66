//! The broker ports against a real Kafka, named by `MILLSTREAM_TEST_BROKER=host:port`.

mod committing;
mod grouping;
mod reading;
mod support;
mod topics;
mod writing;
