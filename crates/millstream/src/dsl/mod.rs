//! The DSL: streams and tables, in Kafka Streams' words.
//!
//! Each operator is short: it adds a node to the graph and a closure to its parent's children. Closures of the user
//! are `Fn`: what they must remember lives in stores, or it would escape the changelog and the rollback.

mod async_map;
mod builder;
mod change;
mod cogroup;
mod deduplicate;
mod distinct;
mod emit;
mod fold;
mod global;
mod group;
mod grouping;
mod join;
mod join_windowed;
mod late;
mod partial;
mod process;
mod sink;
mod split;
mod stores;
mod stream;
mod suppress;
mod table;
mod timers;
mod top;
mod versioned;
mod window_stores;
mod windowed;

pub use crate::topology::TopologyBuilder;
pub use change::Change;
pub use cogroup::CogroupedStream;
pub use emit::Emit;
pub use global::GlobalTable;
pub use group::GroupedStream;
pub use join_windowed::{JoinStores, WindowedJoin};
pub use partial::{PartialAggregates, PartialGroupedStream};
pub use sink::SinkValue;
pub use split::Split;
pub use stream::Stream;
pub use suppress::{Bound, Suppressed};
pub use table::{GroupedTable, Table};
pub use windowed::{AlignedWindows, WindowedCogroupedStream, WindowedStream, Windows};
