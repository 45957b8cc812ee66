//! What Kafka Streams does: the Java program beside this file, compiled once and run once.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use millstream_local_kafka::{are_jars_available, compile_java, find_java, install_jars, is_kafka_promised};
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
        let classes = compile_java(&jars, &SOURCES)?;
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
