use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{LogFormat, LogSettings};

/// librdkafka warns many times a second while a broker is away; of its own lines only errors are written unless the
/// settings name it.
const QUIET: &str = "librdkafka=error";

/// Writes log lines to stderr from now on. What a process logs is decided by the first call in it.
pub(crate) fn start(settings: &LogSettings) {
    let filter = match settings.level.as_str() {
        "off" => EnvFilter::new("off"),
        level => EnvFilter::new(format!("{QUIET},{level}")),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
