//! What the suites over the whole of Millstream share: a workload with its checker, brokers to run on, instances.

pub mod check;
pub mod cluster;
pub mod outside;
pub mod running;
pub mod workload;
