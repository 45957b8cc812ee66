use std::io::Write;

use anyhow::{Result, bail};
use serde::Serialize;

/// Tells the result: a line for each field, or all as one line of JSON.
pub(crate) fn print(report: &impl Serialize, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string(report)?)?;
    } else {
        let value = serde_json::to_value(report)?;
        let Some(fields) = value.as_object() else { bail!("the report has fields") };
        for (name, value) in fields {
            writeln!(out, "{name:>24}  {value}")?;
        }
    }
    Ok(())
}

/// Tells the person who waits.
pub(crate) fn say(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "chaos: {line}");
}
