//! `cargo compare-avro`: what it costs to encode and to decode one record of about 200 bytes, in ns.
//!
//! All contestants take turns in one run: a round is one turn of each, and the median of its turns counts. So what else runs
//! on the machine hits all alike: trust ratios within one run.
//!
//! * `millstream`: the serdes of `millstream-formats`, with all that a record costs: the schema's id, its plan, bounds that hold
//!   whatever the bytes say. `resolved` reads what another schema wrote.
//! * `apache-avro` and `serde_avro_fast`: a bare value, by what was prepared for its schema.
//! * `fastavro`: a bare value as a dictionary, in Python, in a process of its own.
//! * `json`: by serde_json, as the type and as a tree.
//!
//! `serde_avro_fast` needs a crate under LGPL-3.0-only. This program is not distributed; nothing that is may depend on either.

mod bid;
mod contestants;
mod fastavro;
mod rounds;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use rounds::Turns;

/// Encodes and decodes one record of about 200 bytes by several libraries in turn.
#[derive(Parser)]
#[command(name = "cargo compare-avro")]
struct Arguments {
    /// How often each one takes its turn.
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many records a turn has; in Python a tenth of it.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..))]
    records: u32,
    /// A Python that has fastavro; without it the one that the tests of formats have installed, or else `python3`.
    #[arg(long)]
    python: Option<PathBuf>,
}

/// The `compare-avro` program. Exits with 1 if contestants do not agree.
pub fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without standard error there is nobody to tell but by the exit code.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let (mut contestants, schema, bytes) = contestants::all()?;
    match fastavro::contestant(arguments.python.as_deref(), &schema, &bytes) {
        Ok(fastavro) => contestants.push(fastavro),
        Err(missing) => writeln!(io::stderr(), "not run with fastavro: {missing:#}")?,
    }
    let mut turns: Vec<Turns> = contestants.into_iter().map(Turns::new).collect();
    for _ in 0..arguments.rounds {
        turns.iter_mut().try_for_each(|turns| turns.take(arguments.records))?;
    }
    let mut out = io::stdout();
    writeln!(
        out,
        "{} bytes of Avro; ns a record, the median of {} rounds of {} records (lowest to highest)",
        bytes.len(),
        arguments.rounds,
        arguments.records
    )?;
    writeln!(out, "{:<32} {:>24} {:>24}", "", "encode", "decode")?;
    for turns in &turns {
        writeln!(out, "{turns}")?;
    }
    Ok(())
}
