//! Topologies under test, run by the real instances, workers and tasks on a broker in memory.
//!
//! [`TopologyTestDriver`] moves one topology by hand. [`Simulation`] runs whole clusters of it, with faults, all of which
//! follow from one seed.

mod driver;
mod executor;
pub mod simulation;
#[cfg(test)]
mod tests;
mod topics;

pub use driver::{DeadLetter, TopologyTestDriver};
pub use simulation::Simulation;

#[track_caller]
fn ok<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}
