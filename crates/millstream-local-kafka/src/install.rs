//! What Maven fetches, in the workspace's target folder: Kafka's jars, and the schema registry.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::child::{gated, run};
use crate::errors::{LocalKafkaError, last_lines};
use crate::java::find_java;

const FOLDER: &str = "kafka-4.3.1";
pub(crate) const POM: &str = include_str!("pom.xml");
const POM_NAME: &str = "pom.xml";

const REGISTRY_FOLDER: &str = "apicurio-registry-3.0.9";
const REGISTRY_POM: &str = include_str!("registry-pom.xml");

/// The goal of Maven's dependency plugin that copies the jars that a POM depends on.
pub(crate) const COPY: &str = "copy-dependencies";
/// The goal that unpacks the archives that the plugin's configuration names.
const UNPACK: &str = "unpack";

/// A shell's status when there is no such program.
const NOT_FOUND: i32 = 127;

/// Makes sure that Kafka's jars are there, and gives the folder with them.
///
/// The first call on a machine fetches them with Maven and says so on stderr. Several processes may call this at
/// once: one fetches, the others wait for it.
///
/// # Errors
///
/// Java or Maven are missing or too old, Maven fails, or the target folder cannot be written.
pub fn install() -> Result<PathBuf, LocalKafkaError> {
    install_jars(FOLDER, POM)
}

/// As [`install`], for any other list of jars: those that `pom`, the text of a `pom.xml`, depends on, in the folder of
/// that name in the workspace's target folder.
///
/// # Errors
///
/// As [`install`].
pub fn install_jars(folder: &str, pom: &str) -> Result<PathBuf, LocalKafkaError> {
    find_java()?;
    install_in(&target_folder().join(folder), pom, COPY, &["mvn"], &mut io::stderr())
}

/// As [`install`], for the schema registry.
pub(crate) fn install_registry() -> Result<PathBuf, LocalKafkaError> {
    find_java()?;
    install_in(&target_folder().join(REGISTRY_FOLDER), REGISTRY_POM, UNPACK, &["mvn"], &mut io::stderr())
}

/// Whether the schema registry can be started: Java is there, and Maven unless the registry was fetched already.
///
/// # Errors
///
/// What is missing.
pub fn is_registry_available() -> Result<(), LocalKafkaError> {
    are_jars_available(REGISTRY_FOLDER, REGISTRY_POM)
}

/// Whether [`install`] has what it needs: Java, and Maven unless the jars are there already.
///
/// # Errors
///
/// What is missing.
pub fn is_available() -> Result<(), LocalKafkaError> {
    are_jars_available(FOLDER, POM)
}

/// Whether [`install_jars`] has what it needs.
///
/// # Errors
///
/// What is missing.
pub fn are_jars_available(folder: &str, pom: &str) -> Result<(), LocalKafkaError> {
    find_java()?;
    if is_installed(&target_folder().join(folder), pom) {
        return Ok(());
    }
    match Command::new("mvn").arg("--version").stdin(Stdio::null()).output() {
        Ok(_) => Ok(()),
        Err(source) => Err(LocalKafkaError::MavenMissing { source }),
    }
}

/// Installs into `folder` with `maven`, a program and its first arguments, and says so to `news` if it has to fetch. `goal` is
/// what Maven's dependency plugin does.
pub(crate) fn install_in(
    folder: &Path,
    pom: &str,
    goal: &str,
    maven: &[&str],
    news: &mut impl Write,
) -> Result<PathBuf, LocalKafkaError> {
    if is_installed(folder, pom) {
        return Ok(folder.to_owned());
    }
    let target = folder.parent().unwrap_or(folder);
    fs::create_dir_all(target).map_err(LocalKafkaError::io(format!("make the folder {target:?}")))?;
    let lock_path = beside(folder, "lock");
    let lock = File::create(&lock_path).map_err(LocalKafkaError::io(format!("make the file {lock_path:?}")))?;
    // The system lets go of the lock when this process ends, so an interrupted install blocks nobody.
    lock.lock().map_err(LocalKafkaError::io(format!("lock the file {lock_path:?}")))?;
    if is_installed(folder, pom) {
        return Ok(folder.to_owned());
    }
    let part = beside(folder, "part");
    remove(&part)?;
    fetch(&part, pom, goal, maven, news)?;
    remove(folder)?;
    fs::rename(&part, folder).map_err(LocalKafkaError::io(format!("rename {part:?} to {folder:?}")))?;
    Ok(folder.to_owned())
}

/// The path of the same name with an ending.
fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// Fills the new folder `part` with what Maven fetches and the list that it was fetched by.
fn fetch(part: &Path, pom: &str, goal: &str, maven: &[&str], news: &mut impl Write) -> Result<(), LocalKafkaError> {
    fs::create_dir_all(part).map_err(LocalKafkaError::io(format!("make the folder {part:?}")))?;
    let path = part.join(POM_NAME);
    fs::write(&path, pom).map_err(LocalKafkaError::io(format!("write the file {path:?}")))?;
    let line = format!("fetching with Maven, once, into {part:?}: some 100 MB");
    writeln!(news, "{line}").map_err(LocalKafkaError::io("say what is fetched"))?;
    let (program, first) = maven.split_first().unwrap_or((&"mvn", &[]));
    let mut command = gated(Path::new(program));
    command.args(first).args(["-q", "-B", "-Dstyle.color=never"]).arg(format!("dependency:{goal}"));
    command.arg(format!("-DoutputDirectory={}", part.display())).current_dir(part);
    let output = run(command, "").map_err(LocalKafkaError::io("run Maven"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let lines = last_lines(&String::from_utf8_lossy(&text));
    match output.status.code() {
        Some(NOT_FOUND) => {
            Err(LocalKafkaError::MavenMissing { source: io::Error::new(io::ErrorKind::NotFound, lines) })
        }
        _ => Err(LocalKafkaError::MavenFailed { status: output.status, lines }),
    }
}

/// A folder gets its name when it is whole, and is this version's when it was fetched by this version's list.
fn is_installed(folder: &Path, pom: &str) -> bool {
    fs::read_to_string(folder.join(POM_NAME)).is_ok_and(|found| found == pom)
}

fn remove(folder: &Path) -> Result<(), LocalKafkaError> {
    match fs::remove_dir_all(folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LocalKafkaError::Io { action: format!("remove the folder {folder:?}"), source })
        }
        _ => Ok(()),
    }
}

/// Cargo's target folder for this workspace.
pub fn target_folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = crate_folder.ancestors().nth(2).unwrap_or(crate_folder);
    // A relative folder is meant from the workspace's root, where cargo is called.
    workspace.join(env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()).unwrap_or("target".into()))
}
