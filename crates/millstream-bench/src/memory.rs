//! What a store takes in memory, without any Kafka: a process with an engine and a broker in memory fills one.

use std::env;
use std::hash::Hash;
use std::io::{self, BufRead, Write};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use millstream::prelude::*;
use millstream_test::TopologyTestDriver;
use serde::{Deserialize, Serialize};

use crate::contestant::CONTESTANT;
use crate::process::Running;

/// The first argument of this program as the process that is measured, after [`CONTESTANT`].
pub(crate) const MEMORY: &str = "memory";

/// How long the store may take to be filled.
const LIMIT: Duration = Duration::from_secs(600);

/// How many rows one record puts in: a commit's worth.
const CHUNK: i64 = 10_000;

const STORE: &str = "rows";

/// What the keys are, of 8 bytes each; values are whole numbers of 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Numbers,
    Texts,
}

impl Keys {
    const ALL: [Keys; 2] = [Keys::Numbers, Keys::Texts];

    fn name(self) -> &'static str {
        match self {
            Keys::Numbers => "whole numbers",
            Keys::Texts => "texts",
        }
    }
}

/// What a store takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// What the keys are.
    pub(crate) keys: &'static str,
    pub(crate) rows: u64,
    /// What the process had resident before, in millions of bytes.
    pub(crate) base_mb: f64,
    /// What it has more with all rows in the store.
    pub(crate) store_mb: f64,
    /// What it had more at any time.
    pub(crate) peak_mb: f64,
}

/// What the measured process says.
#[derive(Deserialize, Serialize)]
struct Filled {
    rows: u64,
}

/// Measures a store with as many rows, once for each kind of key.
pub(crate) fn measure(rows: u64) -> Result<Vec<Memory>> {
    let measured = Keys::ALL.iter().map(|keys| {
        let mut command = Command::new(env::current_exe().context("finding this program's own path")?);
        let mut running = Running::start(command.args([CONTESTANT, MEMORY, keys.name(), &rows.to_string()]))?;
        let _: Filled = running.line(LIMIT).context("starting a process with an empty store")?;
        let base = running.usage()?;
        running.again(&[])?;
        let filled: Filled = running.line(LIMIT).context("filling a store")?;
        ensure!(filled.rows == rows, "the store has {} rows after {rows} were put in", filled.rows);
        let usage = running.usage()?;
        running.finish()?;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let memory = Memory {
            keys: keys.name(),
            rows,
            base_mb: mb(base.rss),
            store_mb: mb(usage.rss.saturating_sub(base.rss)),
            peak_mb: mb(usage.peak_rss.saturating_sub(base.rss)),
        };
        writeln!(io::stderr(), "memory, {}: {:.0} MB for {rows} rows", memory.keys, memory.store_mb)?;
        Ok(memory)
    });
    measured.collect()
}

/// The measured process: says when it has an empty store, and, after a line of input, when it has filled it.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [keys, rows] = arguments else { bail!("expected the kind of keys and how many") };
    let keys =
        Keys::ALL.into_iter().find(|known| known.name() == keys).with_context(|| format!("no keys are {keys}"))?;
    let rows = rows.parse().with_context(|| format!("{rows} is no number of rows"))?;
    match keys {
        Keys::Numbers => fill(rows, Be64, |number| number),
        Keys::Texts => fill(rows, Utf8, |number| format!("{number:08}")),
    }
}

struct Fill<K> {
    rows: KeyValueStore<K, i64>,
    key: fn(i64) -> K,
}

impl<K: Hash + Eq + Clone + 'static> Processor for Fill<K> {
    type KeyIn = i64;
    type ValueIn = i64;
    type KeyOut = i64;
    type ValueOut = i64;

    /// Puts in the rows from the record's key to its value, and passes on how many the store has.
    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, i64, i64>,
        record: Record<i64, i64>,
    ) -> Result<(), ProcessError> {
        for number in record.key..record.value {
            self.rows.put((self.key)(number), number, record.timestamp);
        }
        let is_last = record.key == record.value;
        if is_last {
            let mut rows = 0;
            self.rows.for_each(|_, _, _| rows += 1);
            context.forward(Record { value: rows, ..record })?;
        }
        Ok(())
    }
}

fn fill<K: Hash + Eq + Clone + 'static>(rows: u64, serde: impl Serde<K> + Clone, key: fn(i64) -> K) -> Result<()> {
    let (input, output) = (Topic::<i64, i64>::new("in", Be64, Be64), Topic::<i64, i64>::new("out", Be64, Be64));
    let (i, o) = (input.clone(), output.clone());
    let mut driver = TopologyTestDriver::new(move |b| {
        let rows = b.store(Store::new(STORE, serde.clone(), Be64).without_changelog());
        b.stream(&i).process("fill", Fill { rows: rows.clone(), key }, &[&rows]).to(&o)
    });
    say(0)?;
    io::stdin().lock().read_line(&mut String::new()).context("waiting to be told to begin")?;
    let rows = i64::try_from(rows)?;
    for from in (0..rows).step_by(CHUNK as usize) {
        driver.pipe(&input, from, (from + CHUNK).min(rows), 0);
    }
    driver.pipe(&input, rows, rows, 0);
    let found = driver.values(&output).last().copied().context("the store was not counted")?;
    say(u64::try_from(found)?)?;
    io::copy(&mut io::stdin(), &mut io::sink()).context("waiting for the end of standard input")?;
    Ok(())
}

fn say(rows: u64) -> Result<()> {
    println!("{}", serde_json::to_string(&Filled { rows })?);
    Ok(())
}
