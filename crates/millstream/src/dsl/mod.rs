//! The DSL: streams and tables, in Kafka Streams' words.
//!
//! Each operator is short: it adds a node to the graph and a closure to its parent's children. Closures of the user
//! are `Fn`: what they must remember lives in stores, or it would escape the changelog and the rollback.

mod builder;
mod change;
mod group;
mod join;
mod late;
mod process;
mod sink;
mod split;
mod stores;
mod stream;
mod table;
mod timers;
mod versioned;
mod windowed;

pub use crate::topology::TopologyBuilder;
pub use change::Change;
pub use group::GroupedStream;
pub use sink::SinkValue;
pub use split::Split;
pub use stream::Stream;
pub use table::Table;
pub use windowed::WindowedStream;
