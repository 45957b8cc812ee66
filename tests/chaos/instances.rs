use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Process;
use crate::report::say;
use crate::status::Status;

/// The instances, by number; logs are kept for who must look.
pub(crate) struct Instances {
    arguments: Vec<String>,
    logs: PathBuf,
    /// Of those that are services, their ports.
    ports: Vec<u16>,
    /// `None` while it is killed.
    running: Vec<Option<Process>>,
}

impl Instances {
    /// Starts `count` instances; `flags` say what they are like.
    /// `are_services`: they count steady input.
    pub(crate) fn start(
        count: usize,
        are_services: bool,
        mut flags: Vec<String>,
        address: &str,
        id: &str,
    ) -> Result<Instances> {
        let logs = std::env::temp_dir().join(id);
        std::fs::create_dir_all(&logs)?;
        say(&format!("the instances' logs are in {}", logs.display()));
        flags.extend(["--bootstrap-servers", address, "--application-id", id].map(str::to_owned));
        let running = (0..count).map(|_| None).collect();
        let ports = (0..if are_services { count } else { 0 }).map(|_| {
            // Free now, and hardly taken by the time that it is needed.
            Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
        });
        let ports = ports.collect::<Result<_>>()?;
        let mut instances = Instances { arguments: flags, logs, ports, running };
        for index in 0..count {
            instances.start_again(index)?;
        }
        Ok(instances)
    }

    /// Where the logs are.
    pub(crate) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Starts one that was killed or stopped.
    pub(crate) fn start_again(&mut self, index: usize) -> Result<()> {
        let mut arguments = self.arguments.clone();
        arguments.extend(["--instance".to_owned(), index.to_string()]);
        if let Some(port) = self.ports.get(index) {
            arguments.extend(["--steady".to_owned(), port.to_string()]);
        }
        let process = Process::start(&arguments, &self.logs.join(format!("instance-{index}.log")))?;
        self.running[index] = Some(process);
        Ok(())
    }

    /// What a service tells about itself; nothing if it does not answer.
    pub(crate) fn status(&self, index: usize) -> Status {
        self.ports.get(index).and_then(|port| Status::ask(*port)).unwrap_or_default()
    }

    /// Kills one with SIGKILL. One that had ended by itself is an error.
    pub(crate) fn kill(&mut self, index: usize) -> Result<()> {
        self.running[index].take().context("an instance that runs")?.kill()
    }

    /// Has one stand still, or go on: `STOP` or `CONT`.
    pub(crate) fn signal(&self, index: usize, name: &str) -> Result<()> {
        self.running[index].as_ref().context("an instance that runs")?.signal(name)
    }

    /// An error if one has ended by itself.
    pub(crate) fn are_alive(&mut self) -> Result<()> {
        self.running.iter_mut().flatten().try_for_each(Process::is_alive)
    }

    /// Starts those again that have ended by themselves and asked for it, and returns how many; any other end is an error.
    pub(crate) fn start_ended_again(&mut self) -> Result<u64> {
        let mut count = 0;
        for index in 0..self.running.len() {
            let asks = self.running[index].as_mut().map_or(Ok(false), Process::asks_to_start_again)?;
            if asks {
                say(&format!("instance {index} asked to be started again"));
                self.start_again(index)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Ends one in order; returns how long that took.
    pub(crate) fn stop_one(&mut self, index: usize) -> Result<Duration> {
        self.running[index].take().context("an instance that runs")?.stop()
    }

    /// Ends all in order, one after the other; returns the longest time that one took.
    pub(crate) fn stop(&mut self) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        for process in self.running.iter_mut().filter_map(Option::take) {
            slowest = slowest.max(process.stop()?);
        }
        Ok(slowest)
    }

    /// Removes the logs: nobody needs to look.
    pub(crate) fn remove_logs(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(&self.logs)?)
    }
}
