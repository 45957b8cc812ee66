//! The broker ports against a real Kafka, as `MILLSTREAM_TEST_BROKER` says.

mod away;
mod committing;
mod grouping;
mod reading;
mod support;
mod topics;
mod writing;
