//! A Millstream process: settings, metrics, HTTP, signals, command line.
//!
//! A service's `main` is a [`Service`]: the topology, and what makes a demonstration of it. All the rest is decided by the
//! command line and the settings when the process starts.

mod background;
mod cli;
mod embedded;
mod error;
mod executor;
#[doc(hidden)]
pub mod fuzz;
mod health;
mod healthcheck;
mod http;
mod logs;
mod lost;
mod memory;
mod metrics;
mod restore;
pub mod run;
mod service;
mod settings;
mod start;
mod state;
mod stop;
mod watchdog;

/// Rows must not lie among librdkafka's short-lived messages: those come from the C library's heap, and with the rows in
/// the same one neither is fast (`crates/README.md`, Decisions).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use error::{Error, UserError};
pub use service::Service;
pub use settings::SettingsError;
