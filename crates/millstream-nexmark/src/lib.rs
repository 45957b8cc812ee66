//! The Nexmark benchmark on Millstream: people open auctions, and bid.
//!
//! - [`generator`] makes the events, each from its number alone;
//! - [`queries`] has the queries as topologies, one a file, each with the SQL that says what it means;
//! - [`check`] runs them on the broker in memory, and compares their results with what DuckDB makes of the same events and that
//!   SQL: `cargo nexmark check`;
//! - `cargo nexmark compare` runs them on a real Kafka, beside the same queries on Kafka Streams, in `java/`.
//!
//! **Three topics**, for people, auctions and bids, rather than one of all: a query reads only what it needs, and each topic has
//! the key that its records are joined by (a person's id, an auction's id, a bid's auction). Keys are 8 bytes; values are written
//! by [`binary::Binary`]: numbers as 8 bytes, texts with their length, so that a program in another language reads them in a few lines.
//! Timestamps are those of the events.

pub mod binary;
pub mod bounded;
pub mod check;
mod cli;
mod compare;
pub mod generator;
pub mod load;
pub mod model;
pub mod nexmark;
pub mod queries;

pub use cli::main;
