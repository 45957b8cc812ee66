//! Whole clusters in one thread: instances, their workers, the broker and everything that goes wrong follow from one seed.
//!
//! What runs is the code of a service: [`Instance`](millstream::worker::Instance) and
//! [`Worker`](millstream::worker::Worker) on the broker in memory. What a seed decides is who is stepped next, when time
//! passes, how much a reader hands over, and which [faults](Fault) there are.

mod cluster;
mod disturb;
mod fault;
mod kit;
mod network;
mod odds;
mod peers;
mod process;
mod random;
mod records;
mod run;
pub mod suite;
#[cfg(test)]
mod tests;
mod world;

pub use fault::{Fault, FaultCounts};
pub use kit::Simulation;
pub use odds::Odds;
pub use random::Random;
pub use run::Run;
