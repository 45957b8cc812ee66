//! What DuckDB says: fetched once into the target folder, run as a Python program beside this file.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use millstream::record::Timestamp;
use serde::Serialize;

use crate::model::{Bid, Event};
use crate::queries::Query;

const REQUIREMENT: &str = "duckdb==2.0.1";
const FOLDER: &str = "duckdb-2.0.1";
const PROGRAM: &str = include_str!("duckdb.py");

/// DuckDB with a Python to call it, ready to run.
pub(super) struct Reference {
    python: PathBuf,
}

/// A bid with the time at which a run reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadBid {
    #[serde(flatten)]
    bid: Bid,
    processing_time: Timestamp,
}

impl Reference {
    /// Makes sure that DuckDB is there. The first call on a machine fetches it from the Python Package Index, with `python3` and its
    /// `venv`, and says so; of several processes one does, and the others wait for it.
    pub(super) fn install() -> Result<Reference> {
        let folder = target_folder().join(FOLDER);
        let python = folder.join("bin").join("python");
        let done = folder.join("installed");
        fs::create_dir_all(target_folder()).with_context(|| format!("making the folder {:?}", target_folder()))?;
        let lock_path = target_folder().join(format!("{FOLDER}.lock"));
        let lock = File::create(&lock_path).with_context(|| format!("making the file {lock_path:?}"))?;
        // The system lets go of it when this process ends.
        lock.lock().with_context(|| format!("locking the file {lock_path:?}"))?;
        if !done.exists() {
            writeln!(io::stderr(), "fetching {REQUIREMENT} with pip, once, into {folder:?}: about 100 MB")?;
            let mut venv = Command::new("python3");
            run(venv.args(["-m", "venv", "--clear"]).arg(&folder)).context("making a virtual environment of Python")?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", REQUIREMENT];
            run(Command::new(&python).args(pip)).with_context(|| format!("fetching {REQUIREMENT}"))?;
            fs::write(&done, REQUIREMENT).with_context(|| format!("writing the file {done:?}"))?;
        }
        Ok(Reference { python })
    }

    /// The rows of each query, over these events in the order in which they come.
    pub(super) fn rows(
        &self,
        queries: &[&Query],
        events: impl Iterator<Item = (Event, Timestamp)>,
    ) -> Result<HashMap<String, Vec<String>>> {
        let folder = tempfile::tempdir().context("making a folder for events")?;
        write(folder.path(), events)?;
        let program = folder.path().join("duckdb_rows.py");
        fs::write(&program, PROGRAM)?;
        let sql: Vec<_> = queries.iter().map(|query| (query.name, query.sql)).collect();
        let mut child = Command::new(&self.python)
            .arg(&program)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("running DuckDB")?;
        let mut input = child.stdin.take().context("DuckDB's standard input")?;
        input.write_all(serde_json::to_string(&sql)?.as_bytes())?;
        drop(input);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "DuckDB ended with {}", output.status);
        let mut rows: HashMap<String, Vec<String>> = HashMap::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let (name, row) = line.split_once('\t').with_context(|| format!("no row of DuckDB's: {line}"))?;
            rows.entry(name.to_owned()).or_default().push(row.to_owned());
        }
        Ok(rows)
    }
}

/// Writes the events as JSON, one a line, a file for each kind.
fn write(folder: &Path, events: impl Iterator<Item = (Event, Timestamp)>) -> Result<()> {
    let create = |name: &str| -> Result<_> { Ok(BufWriter::new(File::create(folder.join(name))?)) };
    let (mut people, mut auctions, mut bids) = (create("person.json")?, create("auction.json")?, create("bid.json")?);
    for (event, processing_time) in events {
        match event {
            Event::Person(person) => line(&mut people, &person)?,
            Event::Auction(auction) => line(&mut auctions, &auction)?,
            Event::Bid(bid) => line(&mut bids, &ReadBid { bid, processing_time })?,
        }
    }
    for mut file in [people, auctions, bids] {
        file.flush()?;
    }
    Ok(())
}

fn line(file: &mut impl Write, event: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *file, event)?;
    Ok(file.write_all(b"\n")?)
}

fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {:?}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{:?} ended with {}: {}",
        command.get_program(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )
}

/// Cargo's target folder for this workspace.
fn target_folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = crate_folder.ancestors().nth(2).unwrap_or(crate_folder);
    // A relative folder is meant from the workspace's root, where cargo is called.
    workspace.join(env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()).unwrap_or("target".into()))
}
