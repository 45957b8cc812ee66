//! A Millstream process: settings, metrics, HTTP, signals, command line.
//!
//! A service's `main` is a [`Service`]: the topology, and what makes a demonstration of it. All the rest is decided by the
//! command line and the settings when the process starts.

mod background;
mod cli;
mod embedded;
mod error;
mod health;
mod healthcheck;
mod http;
mod logs;
mod metrics;
pub mod run;
mod service;
mod settings;
mod start;
mod stop;

pub use error::{Error, UserError};
pub use service::Service;
pub use settings::SettingsError;
