//! Runs the queries on the broker in memory, and compares what they say with what DuckDB says.
//!
//! Each query runs three times: with events in order on one partition; with events out of order, up to the bound that its watermark
//! says; and with those on several partitions and workers. Results are compared as multisets of rows; where a query writes
//! updates, the last one of each key. The workers take turns in one thread and time is moved by hand, so a run is the same each time.
//!
//! q12 counts by processing time. Its clock is moved by hand, too: the events are read in parts, each in a bounded run that goes on
//! where the one before ended, at a time of its own, which DuckDB is given as a column of the bids.

mod compare;
mod reference;

pub use compare::{Compared, Comparison, Mode, is_available};
