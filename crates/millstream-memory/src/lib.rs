//! Kafka's meaning in memory, behind the broker ports of Millstream.
//!
//! A [`MemoryBroker`] is a cluster: topics and partitions, offsets that markers and compaction leave gaps in, consumer
//! groups with range assignment, transactions with fencing and a last stable offset, compaction and retention. It has
//! no thread and no clock: time passes when somebody says so, by [`MemoryBroker::advance_to`]. Nor
//! does anything go wrong by itself: the broker is away, markers are late and members are thrown out when a test says so.
//!
//! What differs from a real cluster: nothing is replicated or kept beyond the process, every record is visible at
//! once, and a compacted topic is cleaned in all of its length.

mod broker;
mod cluster;
mod disturbances;
mod member;
mod producer;
mod reader;

pub use broker::{ClientSettings, MemoryBroker};
