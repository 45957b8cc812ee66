use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// An instance as a process of its own; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

/// After this an instance that was told to end hangs.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What an instance says in its last lines when nothing is wrong but that it must be started again.
const START_AGAIN: &str = "start the process again";
/// How many bytes its last lines have at most.
const LOG_END: usize = 4_096;

impl Process {
    /// Starts this executable again; what it says goes to the end of `log`.
    pub(crate) fn start(arguments: &[String], log: &Path) -> Result<Process> {
        let file: File = OpenOptions::new().create(true).append(true).open(log)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("instance")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            // One that stands still is ended by the system when its parent is gone, as its group has nobody left.
            .process_group(0)
            .spawn()?;
        Ok(Process { child, log: log.to_owned() })
    }

    /// Kills it with SIGKILL. One that had ended by itself is an error.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.is_alive()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Has it stand still (`STOP`) or go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("sh").args(["-c", r#"kill "-$1" "$2""#, "signal", name, &pid]).status()?;
        if !status.success() {
            bail!("an instance cannot be sent SIG{name}; see {}", self.log.display());
        }
        Ok(())
    }

    /// An error if it has ended by itself.
    pub(crate) fn is_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("an instance ended by itself with {status}; see {}", self.log.display()),
        }
    }

    /// Whether it has ended by itself, and told to be started again. Any other end is an error.
    pub(crate) fn asks_to_start_again(&mut self) -> Result<bool> {
        if self.child.try_wait()?.is_none() {
            return Ok(false);
        }
        let log = std::fs::read(&self.log)?;
        let end = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_END)..]).into_owned();
        if end.contains(START_AGAIN) {
            return Ok(true);
        }
        self.is_alive().map(|()| false)
    }

    /// Ends it in order; returns how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration> {
        let since = Instant::now();
        let mut input = self.child.stdin.take().context("the instance's standard input")?;
        writeln!(input, "stop")?;
        while since.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(since.elapsed());
                }
                bail!("an instance that was told to end ended with {status}; see {}", self.log.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("an instance did not end within {STOP_LIMIT:?}; see {}", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
