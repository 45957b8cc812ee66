//! What Kafka Streams does: the Java program beside this file, compiled once and run once.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use millstream_local_kafka::{are_jars_available, find_java, install_jars, is_kafka_promised};
use serde::Deserialize;

use crate::script::{Output, Script};

const POM: &str = include_str!("java/pom.xml");
const FOLDER: &str = "kafka-streams-4.3.1";

/// The program's source files.
const SOURCES: [(&str, &str); 8] = [
    ("Aggregations.java", include_str!("java/Aggregations.java")),
    ("Main.java", include_str!("java/Main.java")),
    ("Stateless.java", include_str!("java/Stateless.java")),
    ("StreamJoins.java", include_str!("java/StreamJoins.java")),
    ("TableJoins.java", include_str!("java/TableJoins.java")),
    ("Tables.java", include_str!("java/Tables.java")),
    ("Topologies.java", include_str!("java/Topologies.java")),
    ("Windows.java", include_str!("java/Windows.java")),
];

/// The program, ready to run.
pub(crate) struct Reference {
    java: PathBuf,
    jars: PathBuf,
    classes: PathBuf,
}

/// What came of one script.
#[derive(Deserialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) outputs: Vec<Output>,
    /// Why it broke off.
    pub(crate) error: Option<String>,
}

impl Reference {
    /// The program; `None`, and a line on standard output, where Java or Maven are missing and Kafka was not promised.
    pub(crate) fn find() -> Option<Reference> {
        match are_jars_available(FOLDER, POM) {
            Ok(()) => {
                Some(Reference::install().unwrap_or_else(|error| panic!("no Kafka Streams to compare with: {error}")))
            }
            Err(missing) if is_kafka_promised() => panic!("no Kafka Streams to compare with: {missing}"),
            Err(missing) => {
                println!("not compared with Kafka Streams: {missing}");
                None
            }
        }
    }

    fn install() -> Result<Reference, Box<dyn std::error::Error>> {
        let java = find_java()?;
        let jars = install_jars(FOLDER, POM)?;
        let classes = compile(&java, &jars)?;
        Ok(Reference { java, jars, classes })
    }

    /// The names of its topologies.
    pub(crate) fn topologies(&self) -> Vec<String> {
        self.run(&["topologies"], String::new()).lines().map(str::to_owned).collect()
    }

    /// What comes of the scripts, in their order.
    pub(crate) fn outcomes<'a>(&self, scripts: impl IntoIterator<Item = &'a Script>) -> Vec<Outcome> {
        let lines = scripts.into_iter().map(|script| serde_json::to_string(script).unwrap() + "\n").collect();
        self.run(&[], lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn run(&self, arguments: &[&str], input: String) -> String {
        let mut command = Command::new(&self.java);
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        let jars = self.jars.join("*");
        command.arg(std::env::join_paths([&self.classes, &jars]).unwrap()).arg("millstream.Main").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // It writes while it reads, and would wait for this process for ever, were this one thread.
        let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "the Java program ended with {}", output.status);
        writer.join().unwrap().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Compiles the sources unless that was done, and gives the folder with the classes.
fn compile(java: &Path, jars: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let (sources, classes) = (jars.join("sources"), jars.join("classes"));
    let lock = File::create(jars.join("classes.lock"))?;
    lock.lock()?;
    let is_same =
        |(name, text): &(&str, &str)| fs::read_to_string(classes.join(name)).is_ok_and(|found| found == *text);
    if SOURCES.iter().all(is_same) {
        return Ok(classes);
    }
    for folder in [&sources, &classes] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    for (name, text) in SOURCES {
        fs::write(sources.join(name), text)?;
    }
    let mut compiler = Command::new(java);
    compiler.args(["-m", "jdk.compiler/com.sun.tools.javac.Main", "-nowarn", "-d"]).arg(&classes);
    // Only Java's own launcher knows "*" in a class path.
    let entries = fs::read_dir(jars)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let is_jar = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "jar");
    compiler
        .arg("-cp")
        .arg(std::env::join_paths(entries.iter().filter(is_jar))?)
        .args(SOURCES.iter().map(|(name, _)| sources.join(name)));
    let output = compiler.output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        return Err(format!("the Java program cannot be compiled (a JDK is needed, 17 or later):\n{text}").into());
    }
    // The sources come to the classes last: they say by what the classes were made.
    for (name, text) in SOURCES {
        fs::write(classes.join(name), text)?;
    }
    Ok(classes)
}
