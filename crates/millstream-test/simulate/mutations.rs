//! `cargo simulate --mutations`: the engine is broken on purpose, and the simulation must notice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small replacement in the sources.
struct Mutation {
    name: String,
    about: String,
    replacements: Vec<Replacement>,
}

struct Replacement {
    file: String,
    found: String,
    replaced: String,
}

/// What the engine and its simulation are built of.
const CRATES: [&str; 3] = ["millstream", "millstream-memory", "millstream-test"];
/// So many seeds must be enough.
const SEEDS: &str = "1000";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds and runs each mutation; returns whether all were noticed.
///
/// # Errors
/// What could not be read, replaced or built.
pub(crate) fn run() -> Result<bool, String> {
    let copy = root().join("target/mutations");
    let mut mutations = read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mutations"))?;
    mutations.sort_by(|a, b| a.name.cmp(&b.name));
    let mut all_noticed = true;
    for mutation in &mutations {
        copy_sources(&copy).map_err(|error| format!("copying to {}: {error}", copy.display()))?;
        mutation.apply(&copy)?;
        println!("{}: {}", mutation.name, mutation.about);
        let noticed = build_and_run(&copy)?;
        match &noticed {
            Some(seeds) => println!("  noticed after {seeds} seeds"),
            None => println!("  NOT NOTICED in {SEEDS} seeds"),
        }
        all_noticed &= noticed.is_some();
    }
    Ok(all_noticed)
}

fn read_all(folder: &Path) -> Result<Vec<Mutation>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            parse(name, &text)
        })
        .collect()
}

/// The first line says what it is. Then, any number of times, `file:` with a path, `found:` and `replaced:`, each with the
/// lines below it.
fn parse(name: String, text: &str) -> Result<Mutation, String> {
    let (about, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut replacements = Vec::new();
    for part in rest.split("file: ").skip(1) {
        let (file, part) = part.split_once('\n').ok_or_else(|| format!("{name}: a file without text"))?;
        let (_, part) = part.split_once("found:\n").ok_or_else(|| format!("{name}: {file}: no `found:`"))?;
        let (found, replaced) =
            part.split_once("replaced:\n").ok_or_else(|| format!("{name}: {file}: no `replaced:`"))?;
        let (file, found, replaced) =
            (file.trim().to_owned(), found.to_owned(), format!("{}\n", replaced.trim_end_matches('\n')));
        replacements.push(Replacement { file, found, replaced });
    }
    match replacements.is_empty() {
        true => Err(format!("{name}: nothing is replaced")),
        false => Ok(Mutation { name, about: about.to_owned(), replacements }),
    }
}

impl Mutation {
    fn apply(&self, root: &Path) -> Result<(), String> {
        for Replacement { file, found, replaced } in &self.replacements {
            let path = root.join(file);
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {file}: {error}", self.name))?;
            if text.matches(found.as_str()).count() != 1 {
                return Err(format!("mutation {}: {file} does not have this text once:\n{found}", self.name));
            }
            fs::write(&path, text.replace(found.as_str(), replaced)).map_err(|error| format!("{file}: {error}"))?;
        }
        Ok(())
    }
}

/// Copies what changed; what did not keeps its time, so that it is not built again.
fn copy_sources(to: &Path) -> std::io::Result<()> {
    let manifest = fs::read_to_string(root().join("Cargo.toml"))?;
    let members =
        manifest.lines().map(|line| if line.starts_with("members") { "members = [\"crates/*\"]" } else { line });
    write_changed(&to.join("Cargo.toml"), (members.collect::<Vec<_>>().join("\n") + "\n").as_bytes())?;
    write_changed(&to.join("Cargo.lock"), &fs::read(root().join("Cargo.lock"))?)?;
    for name in CRATES {
        copy_folder(&root().join("crates").join(name), &to.join("crates").join(name))?;
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => write_changed(&target, &fs::read(entry.path())?)?,
        }
    }
    Ok(())
}

fn write_changed(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|before| before == content) {
        return Ok(());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, content)
}

/// Returns after how many seeds a failure was found.
fn build_and_run(copy: &Path) -> Result<Option<u64>, String> {
    let target = copy.join("build");
    let build = Command::new("cargo")
        .args(["build", "-q", "--offline", "-p", "millstream-test", "--bin", "simulate"])
        .env("RUSTFLAGS", "-Awarnings")
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(copy)
        .status()
        .map_err(|error| format!("cargo build: {error}"))?;
    if !build.success() {
        return Err("the mutated engine cannot be built".to_owned());
    }
    let run = Command::new(target.join("debug/simulate"))
        .args(["--seeds", SEEDS, "--stop-at-failure"])
        .output()
        .map_err(|error| format!("running it: {error}"))?;
    let output = String::from_utf8_lossy(&run.stdout);
    let failed = output.lines().filter_map(|line| line.strip_prefix("seed ")?.split_once(" failed: "));
    let first = failed.filter_map(|(seed, failure)| Some((seed.parse::<u64>().ok()?, failure))).min();
    if let Some((seed, failure)) = first {
        println!("  seed {seed}: {}", failure.chars().take(160).collect::<String>());
    }
    Ok(first.map(|(seed, _)| seed + 1))
}
