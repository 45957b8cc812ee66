//! A Millstream process: settings, metrics, HTTP, signals, command line.

mod run;
mod settings;

pub use run::{RunError, RunOptions, now_ms, run};
pub use settings::SettingsError;
