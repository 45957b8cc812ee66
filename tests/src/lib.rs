//! What the suites over the whole of Millstream share: a workload with its checker, brokers to run on, instances,
//! a proxy with faults.

pub mod check;
pub mod cluster;
pub mod faults;
pub mod proxy;
pub mod running;
pub mod workload;
