//! Programs in other languages that are given a job: both it and what comes of it are JSON.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Others' clients of Kafka and of the registry.
pub(crate) trait Clients {
    /// Writes or reads records of one topic, as the job says.
    fn work(&self, job: &Value) -> Result<Value>;
}

/// Runs a program on a job, to its end.
pub(crate) fn run(mut command: Command, what: &str, job: &Value) -> Result<Value> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // Programs read all of their job before they write.
    let mut input = child.stdin.take().context("a child has an input")?;
    input.write_all(job.to_string().as_bytes())?;
    drop(input);
    let output = succeeded(child.wait_with_output()?, what)?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

pub(crate) fn succeeded(output: Output, what: &str) -> Result<Output> {
    if !output.status.success() {
        let text = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat();
        let lines: Vec<&str> = text.trim_end().lines().collect();
        bail!("{what} ended with {}:\n{}", output.status, lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    Ok(output)
}
