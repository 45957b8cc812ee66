//! Python, in a virtual environment of its own in the target folder, with others' clients of fixed versions.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use millstream_local_kafka::{is_kafka_promised, target_folder};
use serde_json::Value;

use crate::program::{Clients, run, succeeded};

/// Every package with its version, so that each machine has the same.
const REQUIREMENTS: &str = include_str!("python/requirements.txt");
const FOLDER: &str = "formats-python";

/// The Python of the virtual environment.
pub(crate) struct Python(PathBuf);

impl Python {
    /// Python; `None`, and a line that says so, where there is none and services were not promised.
    pub(crate) fn find() -> Option<&'static Python> {
        static PYTHON: OnceLock<Option<Python>> = OnceLock::new();
        let find = || match is_there() {
            Ok(()) => Some(Python(install().unwrap_or_else(|error| panic!("no foreign clients: {error:?}")))),
            Err(missing) if is_kafka_promised() => panic!("no foreign clients: {missing:?}"),
            Err(missing) => {
                println!("not run with foreign clients: {missing:?}");
                None
            }
        };
        PYTHON.get_or_init(find).as_ref()
    }

    /// Runs a program of the folder `python` on a job, to its end.
    pub(crate) fn run(&self, program: &str, job: &Value) -> Result<Value> {
        let mut command = Command::new(&self.0);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("formats/python").join(program));
        run(command, program, job)
    }
}

impl Clients for Python {
    fn work(&self, job: &Value) -> Result<Value> {
        self.run("clients.py", job)
    }
}

fn is_there() -> Result<()> {
    let asked = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    let asked = asked.context("Python is missing: python3, 3.10 or later, is to be on the PATH")?;
    succeeded(asked, "python3 (it is to have the modules venv and ensurepip; Debian has them in python3-venv)")?;
    Ok(())
}

/// Makes the environment unless it is there, and gives its Python. Several processes may come at once: one makes it.
fn install() -> Result<PathBuf> {
    let folder = target_folder().join(FOLDER);
    let (python, whole) = (folder.join("bin/python"), folder.join("requirements.txt"));
    fs::create_dir_all(target_folder())?;
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock()?;
    // Its list comes into the folder last, when all that it names is there.
    if fs::read_to_string(&whole).is_ok_and(|found| found == REQUIREMENTS) {
        return Ok(python);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    writeln!(std::io::stderr(), "installing Python's clients, once, into {folder:?}: less than 100 MB")?;
    succeeded(Command::new("python3").args(["-m", "venv"]).arg(&folder).output()?, "python3 -m venv")?;
    let part = folder.join("requirements.part");
    fs::write(&part, REQUIREMENTS)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "-r"]).arg(&part);
    succeeded(pip.output()?, "pip, which installs what tests/formats/python/requirements.txt names")?;
    fs::rename(&part, &whole)?;
    Ok(python)
}
