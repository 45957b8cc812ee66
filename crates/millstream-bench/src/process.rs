//! A contestant's process: what it says about its run, and what it cost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// Ticks of the processor times in `/proc` a second: so for every program, whatever the kernel's own clock is.
const TICKS_PER_S: f64 = 100.0;

/// The line that a contestant writes when it has closed everything.
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
}

/// Runs a contestant to its end, or kills it after `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<(Done, Usage)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting it")?;
    let outcome = attend(&mut child, limit);
    if outcome.is_err() {
        // It may have ended already: then there is nothing to kill.
        let _ = child.kill();
    }
    let status = child.wait().context("waiting for its end")?;
    judged(outcome, status)
}

fn attend(child: &mut Child, limit: Duration) -> Result<(Done, Usage)> {
    let stdout = child.stdout.take().context("it has no standard output")?;
    let (say, hear) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // Nobody hears it when the time is over.
        let _ = say.send(read.map(|_| line));
    });
    let Ok(line) = hear.recv_timeout(limit) else {
        bail!("not done after {} s; it was killed", limit.as_secs());
    };
    let line = line.context("reading what it says")?;
    ensure!(!line.is_empty(), "it ended before it was done");
    let done: Done = serde_json::from_str(&line)
        .with_context(|| format!("it wrote {line:?}; expected {{\"records\": N, \"seconds\": S}}"))?;
    // It waits for the end of its input, so that this can still be asked.
    let usage = usage_of(child.id())?;
    drop(child.stdin.take());
    Ok((done, usage))
}

fn judged(outcome: Result<(Done, Usage)>, status: ExitStatus) -> Result<(Done, Usage)> {
    match outcome {
        Ok(_) if !status.success() => bail!("it was done, and then ended with {status}"),
        Err(error) => Err(error.context(format!("it ended with {status}"))),
        Ok(done) => Ok(done),
    }
}

fn usage_of(process: u32) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{process}/{file}");
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    };
    parse_usage(&read("stat")?, &read("status")?)
}

fn parse_usage(stat: &str, status: &str) -> Result<Usage> {
    // The second field, the program's name in parentheses, may itself contain spaces and parentheses.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let [user, system] = ticks[..] else { bail!("no processor times in the process's stat: {stat:?}") };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes = peak.trim().strip_suffix("kB").and_then(|number| number.trim().parse::<u64>().ok());
    let Some(kilobytes) = kilobytes else { bail!("no VmHWM in kB in the process's status: {status:?}") };
    Ok(Usage { cpu_s: (user + system) as f64 / TICKS_PER_S, peak_rss: kilobytes * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<(Done, Usage)> {
        run(Command::new("sh").args(["-c", script]), Duration::from_secs(60))
    }

    #[test]
    fn usage_is_found_beside_a_name_with_spaces_and_parentheses() {
        let stat = "77 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 14 15 16";
        let status = "Name:\ta\nVmPeak:\t 9 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse_usage(stat, status).unwrap(), Usage { cpu_s: 1.75, peak_rss: 2 << 20 });
        assert!(parse_usage("77 (a) S 1", status).is_err());
        assert!(parse_usage(stat, "VmPeak: 9 kB").is_err());
    }

    #[test]
    fn a_process_is_measured_while_it_waits_for_the_end_of_its_input() {
        let (done, usage) = shell(r#"echo '{"records": 3, "seconds": 0.5}'; cat >/dev/null"#).unwrap();
        assert_eq!(done, Done { records: 3, seconds: 0.5 });
        assert!(usage.peak_rss > 100_000, "{usage:?}");
    }

    #[test]
    fn a_process_that_fails_is_an_error_with_its_status() {
        for script in ["exit 3", r#"echo '{"records": 3, "seconds": 0.5}'; cat >/dev/null; exit 3"#] {
            assert!(format!("{:#}", shell(script).unwrap_err()).contains("exit status: 3"));
        }
        assert!(format!("{:#}", shell("echo done").unwrap_err()).contains("expected {\"records\""));
    }

    #[test]
    fn a_process_that_hangs_is_killed() {
        let error = run(Command::new("sleep").arg("600"), Duration::from_millis(50)).unwrap_err();
        assert!(format!("{error:#}").contains("signal: 9"), "{error:#}");
    }
}
