//! Java: where it is, whether it can run Kafka and the schema registry, and how it is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::child::gated;
use crate::errors::LocalKafkaError;

/// The oldest Java that runs Kafka's broker, and the schema registry.
const OLDEST: u32 = 17;

/// The Java to run Kafka and the schema registry with: `JAVA_HOME`'s, else the one on the PATH. It is run once to ask for its version.
///
/// # Errors
///
/// There is none, or it is older than Java 17.
pub fn find_java() -> Result<PathBuf, LocalKafkaError> {
    let program = match env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    let output = match Command::new(&program).arg("-version").output() {
        Ok(output) => output,
        Err(source) => return Err(LocalKafkaError::JavaMissing { program, source }),
    };
    let answer = String::from_utf8_lossy(&output.stderr).into_owned();
    match major_version(&answer) {
        Some(found) if found >= OLDEST => Ok(program),
        Some(found) => Err(LocalKafkaError::JavaTooOld { program, found }),
        None => Err(LocalKafkaError::JavaUnknown { program, answer }),
    }
}

/// Java's major version in what `java -version` writes: 17 of `version "17.0.15"`, 8 of `version "1.8.0_402"`.
pub(crate) fn major_version(answer: &str) -> Option<u32> {
    let quoted = answer.split('"').nth(1)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

/// A gated command for a class of Kafka's: `options` are Java's own, and `temporary` takes what the native libraries
/// unpack. Arguments are the class's.
pub(crate) fn kafka_class(java: &Path, jars: &Path, temporary: &Path, options: &[&str], class: &str) -> Command {
    let mut command = gated(java);
    let mut temporary_option = std::ffi::OsString::from("-Djava.io.tmpdir=");
    temporary_option.push(temporary);
    command.args(options).arg("-XX:+PerfDisableSharedMem").arg(temporary_option).arg("-cp").arg(jars.join("*"));
    command.arg(class).current_dir(temporary);
    command
}
