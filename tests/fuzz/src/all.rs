//! `cargo fuzz-all`: libFuzzer on each target, by the stable compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Parser;
use millstream_fuzz::TARGETS;

/// Lets libFuzzer look for bytes that a decoder does not take. What it found is kept for the next run.
#[derive(Parser)]
struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// One target alone.
    #[arg(long)]
    target: Option<String>,
    /// An input that failed: runs the target on it, and nothing else.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// The compiler's own passes that count which code is reached; and checks that a release leaves out.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

fn main() -> Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from).join("fuzz");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--release", "-p", "millstream-fuzz", "--bin", "fuzz-target", "--features", "libfuzzer"])
        .args(["--target", &host()?])
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .current_dir(&root)
        .status()
        .context("cargo build")?;
    if !built.success() {
        bail!("the harness was not built");
    }
    let program = folder.join(host()?).join("release/fuzz-target");
    let mut failed = Vec::new();
    for (name, _) in TARGETS.iter().filter(|(name, _)| options.target.as_ref().is_none_or(|target| target == name)) {
        let (corpus, artifacts) = (folder.join("corpus").join(name), folder.join("artifacts").join(name));
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let mut command = Command::new(&program);
        command.env("MILLSTREAM_FUZZ_TARGET", name);
        match &options.input {
            Some(input) => command.arg(input),
            None => command
                .arg(format!("-max_total_time={}", options.minutes * 60))
                .args(["-max_len=512", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .arg(&corpus),
        };
        if !command.status().context("the harness")?.success() {
            failed.push(*name);
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        names => bail!("failed: {}; their inputs are in {}", names.join(", "), folder.join("artifacts").display()),
    }
}

/// Named, so that the flags are not those of build scripts.
fn host() -> Result<String> {
    let told = Command::new("rustc").arg("-vV").output().context("rustc -vV")?;
    let told = String::from_utf8(told.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
    Ok(host.to_owned())
}
