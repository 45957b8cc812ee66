//! Runs the queries on a real Kafka, on Millstream and on Kafka Streams, over the same topics: `cargo nexmark compare`.
//!
//! Each contestant is a process of its own that runs a query twice: the first run warms up the broker and the Java machine, the
//! second one is measured. Both use two threads, at least once, commit once a second, have state in memory and a record cache (in
//! Millstream `Emit::OnCommit`) where a query asks for it. What is measured:
//!
//! - `cpu`: user and system time of the process from the run's start to its end, by the events of all kinds, read or not. The
//!   broker's work is not in it. Of Kafka Streams also that of the first run, with the start of the Java machine.
//! - `outputs`: how many records are in the output topic.
//! - whether the rows that they mean are the same, as `check` reads them. They are not where windows are told when they are
//!   closed: Millstream's bounded run closes those that are open at the end, Kafka Streams cannot. Rows that Kafka Streams alone
//!   has, or other values, are an error for all but q12, whose windows are of processing time.

mod contestants;
mod measure;
mod table;

pub(crate) use contestants::{machine_clock, run_millstream};
pub(crate) use measure::compare;
