use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use millstream::worker::Moment;

/// The command line of every service.
#[derive(Parser)]
#[command(
    about = "A stream processing service on Apache Kafka",
    after_help = "Settings are taken from the file, then from environment variables (MILLSTREAM_HTTP__PORT=9000 is \
                  http.port), then from flags; the later wins.\n\
                  Exit codes: 0 ended well, 1 failed at run time, 2 bad usage or settings."
)]
pub(crate) struct Cli {
    /// Settings as YAML; without it, those that are built into the service
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// One setting, with dots between a section and its keys: --set http.port=9000
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// The Kafka cluster: host:port, several separated by commas
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap_servers: Option<String>,

    /// Run on a broker in this process's memory; so it does too when no bootstrap_servers is set
    #[arg(long, conflicts_with = "bootstrap_servers")]
    pub(crate) embedded: bool,

    /// First load the service's example input; with the embedded broker that is done anyway
    #[arg(long)]
    pub(crate) load: bool,

    /// Where to start in source partitions that the group has no position in: beginning, end, offset:N, timestamp:MS. To
    /// process history anew, give another application_id too
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) from: Option<Moment>,

    /// End when all up to then is processed and committed, windows that are still open included: end (all that is there
    /// at the start), offset:N, timestamp:MS. On the embedded broker that is done anyway, at the end
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    pub(crate) until: Option<Moment>,

    /// On the embedded broker: go on when all input is processed, until a signal comes
    #[arg(long, conflicts_with = "until")]
    pub(crate) keep_running: bool,

    /// Print which internal topics exist and which would be created, and end
    #[arg(long)]
    pub(crate) plan: bool,

    /// Print the topology, and end; needs no broker
    #[arg(long, value_enum, value_name = "FORMAT", num_args = 0..=1, default_missing_value = "text", require_equals = true)]
    pub(crate) describe: Option<Form>,

    /// Print the settings in effect as YAML, secrets as ***, and end
    #[arg(long)]
    pub(crate) print_config: bool,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// A line for each node and store
    Text,
    /// A flowchart, which Markdown viewers draw
    Mermaid,
    /// DOT, for `dot -Tsvg`
    Graphviz,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Ask the service that runs on this machine with these settings; exit code 0 if it is as it should be, else 1
    Healthcheck {
        /// What to ask
        #[arg(value_enum, default_value = "ready")]
        probe: Probe,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    /// /readyz: whether every task is restored
    Ready,
    /// /livez: whether the workers move
    Live,
}

impl Probe {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Probe::Ready => "/readyz",
            Probe::Live => "/livez",
        }
    }
}

/// Reads a moment as the command line has it.
fn moment(text: &str) -> Result<Moment, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("{text:?} is not a whole number"));
    match text.split_once(':') {
        None if text == "beginning" => Ok(Moment::Beginning),
        None if text == "end" => Ok(Moment::End),
        Some(("offset", offset)) => match number(offset)? {
            offset if offset < 0 => Err(format!("{offset} is no offset; the first is 0")),
            offset => Ok(Moment::Offset(offset)),
        },
        Some(("timestamp", timestamp)) => Ok(Moment::Timestamp(number(timestamp)?)),
        _ => Err("found neither beginning, end, offset:N nor timestamp:MS (ms since 1970-01-01 UTC)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use millstream::worker::Moment;

    use super::moment;

    #[test]
    fn moments_are_read_or_refused_with_the_reason() {
        assert_eq!(moment("beginning"), Ok(Moment::Beginning));
        assert_eq!(moment("end"), Ok(Moment::End));
        assert_eq!(moment("offset:7"), Ok(Moment::Offset(7)));
        assert_eq!(moment("timestamp:-7"), Ok(Moment::Timestamp(-7)));
        for (text, reason) in [("offset:x", "\"x\" is not"), ("offset:-1", "the first is 0"), ("now", "neither")] {
            assert!(moment(text).unwrap_err().contains(reason), "{text}");
        }
    }
}
