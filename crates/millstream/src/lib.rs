//! Topologies, tasks, state and time: the stream processing engine, without I/O.
//!
//! A [topology](topology::Topology) is written with the [DSL](dsl): streams, tables, and processors written by hand. A
//! [worker] runs its tasks: it reads records from the [ports to a broker](broker), pushes them through the task's graph,
//! keeps state in typed [stores](state), and commits what was read, changed and written as one.
//!
//! The modules use each other one way only, each those before it:
//! record, time, window, serde, topic, partitioner, broker (ports), executor (port), client, state, processor, calls,
//! topology, dsl, task, worker.

pub mod broker;
pub mod calls;
pub mod client;
pub mod dsl;
pub mod executor;
pub mod partitioner;
pub mod processor;
pub mod record;
pub mod serde;
pub mod state;
pub mod task;
pub mod time;
pub mod topic;
pub mod topology;
pub mod window;
pub mod worker;

/// What a topology is written with.
pub mod prelude {
    pub use crate::calls::{AsyncOptions, CallOrder, Retry};
    pub use crate::dsl::{
        Bound, Change, CogroupedStream, Emit, GlobalTable, GroupedStream, GroupedTable, JoinStores, PartialAggregates,
        PartialGroupedStream, Stream, Suppressed, Table, TopologyBuilder, WindowedCogroupedStream, WindowedJoin,
        WindowedStream,
    };
    pub use crate::processor::{
        ErrorPolicy, FailedRecord, ProcessError, Processor, ProcessorContext, Punctuation, PunctuationType,
        TimerProcessor,
    };
    pub use crate::record::{Headers, Record, Timestamp};
    pub use crate::serde::{
        Be32, Be64, Bytes, F32, F64, Json, Nullable, Serde, SessionWindowed, TimeWindowed, Unit, Utf8,
    };
    pub use crate::state::{
        KeyValueStore, OrderedStore, SessionStore, Store, Timer, TimerStore, VersionedStore, WindowStore,
    };
    pub use crate::time::Watermark;
    pub use crate::topic::Topic;
    pub use crate::window::{JoinWindows, SessionWindows, SlidingWindows, TimeWindows, Window, Windowed};
}
