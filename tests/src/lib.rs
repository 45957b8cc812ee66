//! What the suites over the whole of Millstream share: a workload with its checker, brokers to run on, instances.

pub mod check;
pub mod cluster;
pub mod faults;
pub mod running;
pub mod workload;
