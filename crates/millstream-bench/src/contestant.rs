use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workload::{RunTopics, Workload};

/// A program that runs workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// Written by hand in C, on the librdkafka that Millstream stands on too: the limit.
    Librdkafka,
    /// A topology, on this version of Millstream.
    Millstream,
}

/// The first argument of this program when it is started as a contestant; the second is the contestant's name.
pub(crate) const CONTESTANT: &str = "contestant";

/// The executable that build.rs makes.
const LIBRDKAFKA: &str = env!("MILLSTREAM_BENCH_LIBRDKAFKA");

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Librdkafka => "librdkafka",
            Contestant::Millstream => "millstream",
        }
    }

    /// The command of one run.
    pub(crate) fn command(
        self,
        workload: Workload,
        bootstrap_servers: &str,
        group: &str,
        topics: &RunTopics,
    ) -> Result<Command> {
        let mut command = match self {
            Contestant::Librdkafka => Command::new(LIBRDKAFKA),
            Contestant::Millstream => {
                let mut command = Command::new(env::current_exe().context("finding this program's own path")?);
                command.args([CONTESTANT, self.name()]);
                command
            }
        };
        let RunTopics { input, output, changelog } = topics;
        command.args([workload.name(), bootstrap_servers, group, input, output, changelog]);
        Ok(command)
    }
}
