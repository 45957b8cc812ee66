//! [`TopologyTestDriver`]: a topology under test, run by the real instance, worker and tasks on a broker in memory, with
//! time moved by hand.

mod driver;
mod executor;
#[cfg(test)]
mod tests;

pub use driver::{DeadLetter, TopologyTestDriver};
