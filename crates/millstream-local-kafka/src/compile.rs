//! Java programs that run beside Kafka's jars.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::errors::LocalKafkaError;
use crate::java::find_java;

/// Compiles a Java program against the jars in the folder `jars`, unless that was done from the same sources, and gives the
/// folder with its classes. `sources` are the names and the texts of its files.
///
/// # Errors
///
/// There is no Java, or no compiler beside it (it takes a JDK), or the sources are not what it takes; files cannot be
/// written.
pub fn compile_java(jars: &Path, sources: &[(&str, &str)]) -> Result<PathBuf, LocalKafkaError> {
    let java = find_java()?;
    let (texts, classes) = (jars.join("sources"), jars.join("classes"));
    let lock_path = jars.join("classes.lock");
    let lock = File::create(&lock_path).map_err(LocalKafkaError::io(format!("make the file {lock_path:?}")))?;
    lock.lock().map_err(LocalKafkaError::io(format!("lock the file {lock_path:?}")))?;
    let is_same =
        |(name, text): &(&str, &str)| fs::read_to_string(classes.join(name)).is_ok_and(|found| found == *text);
    if sources.iter().all(is_same) {
        return Ok(classes);
    }
    for folder in [&texts, &classes] {
        match fs::remove_dir_all(folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(LocalKafkaError::Io { action: format!("remove the folder {folder:?}"), source });
            }
            _ => fs::create_dir_all(folder).map_err(LocalKafkaError::io(format!("make the folder {folder:?}")))?,
        }
    }
    write_all(&texts, sources)?;
    let mut compiler = Command::new(java);
    compiler.args(["-m", "jdk.compiler/com.sun.tools.javac.Main", "-nowarn", "-d"]).arg(&classes);
    compiler.arg("-cp").arg(class_path(jars)?).args(sources.iter().map(|(name, _)| texts.join(name)));
    let output = compiler.output().map_err(LocalKafkaError::io("run the Java compiler"))?;
    if !output.status.success() {
        let text = [output.stderr, output.stdout].concat();
        return Err(LocalKafkaError::NotCompiled { text: String::from_utf8_lossy(&text).into_owned() });
    }
    // The sources come to the classes last: they say by what the classes were made.
    write_all(&classes, sources)?;
    Ok(classes)
}

fn write_all(folder: &Path, sources: &[(&str, &str)]) -> Result<(), LocalKafkaError> {
    for (name, text) in sources {
        let path = folder.join(name);
        fs::write(&path, text).map_err(LocalKafkaError::io(format!("write the file {path:?}")))?;
    }
    Ok(())
}

/// Only Java's own launcher knows "*" in a class path; the compiler wants each jar.
fn class_path(jars: &Path) -> Result<std::ffi::OsString, LocalKafkaError> {
    let action = || LocalKafkaError::io(format!("list the folder {jars:?}"));
    let entries = fs::read_dir(jars).map_err(action())?;
    let paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(action())?;
    let jars = paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "jar"));
    std::env::join_paths(jars).map_err(|error| LocalKafkaError::Io {
        action: "make a class path of the jars' paths".to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidInput, error),
    })
}
