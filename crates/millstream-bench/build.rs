//! Builds the contestant in C, an executable of its own, with the librdkafka that rdkafka-sys has built.

use std::env;
use std::path::{Path, PathBuf};

const SOURCES: [&str; 5] = ["c/clients.c", "c/contestant.c", "c/counts.c", "c/filter.c", "c/restore.c"];
const HEADERS: [&str; 5] = ["c/clients.h", "c/counts.h", "c/filter.h", "c/partition.h", "c/restore.h"];
const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-Wformat=2", "-Werror", "-Wno-ignored-qualifiers"];

fn main() {
    for file in SOURCES.iter().chain(&HEADERS) {
        println!("cargo::rerun-if-changed={file}");
    }
    let kafka = root_of("RDKAFKA").join("src");
    let zlib = root_of("Z").join("lib");
    let executable = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("librdkafka-contestant");
    // As librdkafka itself is built in every profile; a contestant is not to be slower in a development build.
    let compiler = cc::Build::new().opt_level(2).debug(true).warnings(false).get_compiler();
    let mut command = compiler.to_command();
    // For quoted includes only: librdkafka's folder has many headers.
    command.args(WARNINGS).arg("-std=gnu11").arg("-iquote").arg(&kafka).args(SOURCES);
    command.arg(library(&kafka, "librdkafka.a")).arg(library(&zlib, "libz.a"));
    // The system's OpenSSL, as librdkafka is built with it (the feature `ssl` of millstream-kafka).
    command.args(["-lssl", "-lcrypto", "-lm", "-ldl", "-lpthread", "-lrt", "-o"]).arg(&executable);
    let status = command.status().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?} ended with {status}");
    println!("cargo::rustc-env=MILLSTREAM_BENCH_LIBRDKAFKA={}", executable.display());
}

/// Where a native library was built, as its crate tells.
fn root_of(links: &str) -> PathBuf {
    let variable = format!("DEP_{links}_ROOT");
    env::var_os(&variable)
        .unwrap_or_else(|| panic!("{variable} is not set: the library must be built from source"))
        .into()
}

fn library(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: the library must be built from source, and static", path.display());
    path
}
