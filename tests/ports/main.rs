//! The broker ports: the same on the embedded broker and on Kafka, and what only a client of a real Kafka meets.

mod away;
mod committing;
mod grouping;
mod ordering;
mod reading;
mod support;
mod topics;
mod writing;
