use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use millstream_local_kafka::target_folder;

use super::rounds::{Contestant, Work};

const PROGRAM: &str = include_str!("fastavro.py");
/// Where the tests of formats install Python's clients, in the target folder.
const INSTALLED: &str = "formats-python/bin/python";
/// Python gets this part of the others' records.
const SLOWER: u32 = 10;

/// Does what a line says, `encode N` or `decode N`, and answers with ns a record.
struct Python {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn ask(&mut self, question: &str) -> Result<String> {
        let asks = self.asks.as_mut().context("it was asked to end")?;
        writeln!(asks, "{question}")?;
        asks.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "it ended; its standard error says why");
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // At the end of its input it ends.
        self.asks = None;
        let _ = self.child.wait();
    }
}

/// fastavro, with a bare value of that schema.
pub(super) fn contestant(python: Option<&Path>, schema: &str, bytes: &[u8]) -> Result<Contestant> {
    let installed = target_folder().join(INSTALLED);
    let python = python.unwrap_or(if installed.exists() { installed.as_path() } else { Path::new("python3") });
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut child = Command::new(python)
        .args(["-c", PROGRAM, schema, &hex])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", python.display()))?;
    let asks = child.stdin.take();
    let answers = BufReader::new(child.stdout.take().context("a child has an output")?);
    let mut python = Python { child, asks, answers };
    python.ask("decode 1")?;
    let python = Rc::new(RefCell::new(python));
    let work = |what: &'static str| -> Work {
        let python = python.clone();
        Box::new(move |records| {
            let question = format!("{what} {}", (records / SLOWER).max(1));
            Ok(python.borrow_mut().ask(&question)?.parse()?)
        })
    };
    Ok(Contestant { name: "fastavro, in Python", encode: Some(work("encode")), decode: work("decode") })
}
