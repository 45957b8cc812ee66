//! A contestant's process: what it says about its run, and what it cost.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

/// Ticks of the processor times in `/proc` a second: so for every program, whatever the kernel's own clock is.
const TICKS_PER_S: f64 = 100.0;

/// How long a contestant may take to end once its input has.
const END_LIMIT: Duration = Duration::from_secs(90);

/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// The line that a contestant writes when it has closed everything, or, if it runs until it is told to end, when it runs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Done {
    /// How many records of the input it processed.
    pub(crate) records: u64,
    /// From the first records taken to the last commit confirmed; of a restore, from the assignment to the last record.
    pub(crate) seconds: f64,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// User and system time, in s.
    pub(crate) cpu_s: f64,
    /// The most memory it had resident, in bytes.
    pub(crate) peak_rss: u64,
    /// The memory that it has resident, in bytes.
    pub(crate) rss: u64,
}

/// A contestant that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting it")?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let (say, lines) = mpsc::channel();
        let running = Running { child, input, lines };
        let output = BufReader::new(output.context("it has no standard output")?);
        thread::spawn(move || {
            for line in output.lines() {
                // Nobody hears it when the run has failed.
                let Ok(line) = line else { return };
                if say.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(running)
    }

    /// Its next line, for which it may take up to `limit`; with the text that it was read from, if it is no such line.
    pub(crate) fn done(&mut self, limit: Duration) -> Result<Done> {
        self.line(limit)
    }

    /// Its next line as JSON.
    pub(crate) fn line<T: serde::de::DeserializeOwned>(&mut self, limit: Duration) -> Result<T> {
        let line = match self.lines.recv_timeout(limit) {
            Ok(line) => line,
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("not done after {} s; it was killed", limit.as_secs()),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().context("waiting for its end")?;
                bail!("it ended before it was done, with {status}");
            }
        };
        serde_json::from_str(&line)
            .map_err(|error| anyhow!("it wrote {line:?}; expected a line of JSON like {{\"records\": N, …}}: {error}"))
    }

    /// What it has used by now.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.child.id());
            fs::read_to_string(&path).with_context(|| format!("reading {path}"))
        };
        parse_usage(&read("stat")?, &read("status")?)
    }

    /// Asks for one more run, by its arguments.
    pub(crate) fn again(&mut self, arguments: &[String]) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input, "{}", arguments.join(" ")).context("asking for one more run")
    }

    /// Ends its input, and waits until it has ended by itself.
    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.input.take());
        let mut waited = Duration::ZERO;
        let status = loop {
            if let Some(status) = self.child.try_wait().context("waiting for its end")? {
                break status;
            }
            ensure!(waited < END_LIMIT, "it did not end within {} s; it was killed", END_LIMIT.as_secs());
            thread::sleep(LOOK);
            waited += LOOK;
        };
        ensure!(status.success(), "it was done, and then ended with {status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse_usage(stat: &str, status: &str) -> Result<Usage> {
    // The second field, the program's name in parentheses, may itself contain spaces and parentheses.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { bail!("no processor times in the process's stat: {stat:?}") };
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let number = line.trim().strip_suffix("kB").and_then(|number| number.trim().parse::<u64>().ok());
        number.with_context(|| format!("no {name} in kB in the process's status: {status:?}"))
    };
    Ok(Usage {
        cpu_s: (user + system) as f64 / TICKS_PER_S,
        peak_rss: kilobytes("VmHWM:")? * 1024,
        rss: kilobytes("VmRSS:")? * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Running {
        Running::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn usage_is_found_beside_a_name_with_spaces_and_parentheses() {
        let stat = "77 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 14 15 16";
        let status = "Name:\ta\nVmPeak:\t 9 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        let usage = Usage { cpu_s: 1.75, peak_rss: 2 << 20, rss: 1024 };
        assert_eq!(parse_usage(stat, status).unwrap(), usage);
        assert!(parse_usage("77 (a) S 1", status).is_err());
        assert!(parse_usage(stat, "VmPeak: 9 kB").is_err());
    }

    #[test]
    fn a_process_is_measured_while_it_waits_for_the_end_of_its_input() {
        let mut running = shell(r#"echo '{"records": 3, "seconds": 0.5}'; cat >/dev/null"#);
        assert_eq!(running.done(LIMIT).unwrap(), Done { records: 3, seconds: 0.5 });
        let usage = running.usage().unwrap();
        assert!(usage.peak_rss > 100_000, "{usage:?}");
        running.finish().unwrap();
    }

    #[test]
    fn a_process_runs_again_with_the_arguments_that_it_is_told() {
        let mut running = shell(r#"while read -r a b; do echo "{\"records\": $a, \"seconds\": $b}"; done"#);
        for (records, seconds) in [(7, 1.5), (8, 2.5)] {
            running.again(&[records.to_string(), seconds.to_string()]).unwrap();
            assert_eq!(running.done(LIMIT).unwrap(), Done { records, seconds });
        }
        running.finish().unwrap();
    }

    #[test]
    fn a_process_that_fails_is_an_error_with_its_status() {
        let error = shell("exit 3").done(LIMIT).unwrap_err();
        assert!(format!("{error:#}").contains("exit status: 3"), "{error:#}");
        let mut running = shell(r#"echo '{"records": 3, "seconds": 0.5}'; cat >/dev/null; exit 3"#);
        running.done(LIMIT).unwrap();
        assert!(format!("{:#}", running.finish().unwrap_err()).contains("exit status: 3"));
        assert!(format!("{:#}", shell("echo done").done(LIMIT).unwrap_err()).contains("{\"records\""));
    }

    #[test]
    fn a_process_that_hangs_is_killed() {
        let mut running = Running::start(Command::new("sleep").arg("600")).unwrap();
        let error = running.done(Duration::from_millis(50)).unwrap_err();
        assert!(format!("{error:#}").contains("killed"), "{error:#}");
    }
}
