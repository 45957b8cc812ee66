//! Java: Apicurio's serdes for Kafka's own client, and the program in `java/`, compiled once.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;
use millstream_local_kafka::{are_jars_available, compile_java, find_java, install_jars, is_kafka_promised};
use serde_json::Value;

use crate::program::{Clients, run};

const POM: &str = include_str!("java/pom.xml");
const FOLDER: &str = "formats-java-3.1.7";

/// The program's source files.
const SOURCES: [(&str, &str); 5] = [
    ("AvroFormat.java", include_str!("java/AvroFormat.java")),
    ("Format.java", include_str!("java/Format.java")),
    ("JsonSchemaFormat.java", include_str!("java/JsonSchemaFormat.java")),
    ("Main.java", include_str!("java/Main.java")),
    ("ProtobufFormat.java", include_str!("java/ProtobufFormat.java")),
];

/// The program, ready to run.
pub(crate) struct Java {
    java: PathBuf,
    jars: PathBuf,
    classes: PathBuf,
}

impl Java {
    /// The program; `None`, and a line that says so, where Java or Maven are missing and services were not promised.
    pub(crate) fn find() -> Option<&'static Java> {
        static JAVA: OnceLock<Option<Java>> = OnceLock::new();
        let find = || match are_jars_available(FOLDER, POM) {
            Ok(()) => Some(Java::install().unwrap_or_else(|error| panic!("no client in Java: {error:?}"))),
            Err(missing) if is_kafka_promised() => panic!("no client in Java: {missing}"),
            Err(missing) => {
                println!("not run with a client in Java: {missing}");
                None
            }
        };
        JAVA.get_or_init(find).as_ref()
    }

    fn install() -> Result<Java> {
        let java = find_java()?;
        let jars = install_jars(FOLDER, POM)?;
        let classes = compile_java(&jars, &SOURCES)?;
        Ok(Java { java, jars, classes })
    }
}

impl Clients for Java {
    fn work(&self, job: &Value) -> Result<Value> {
        let mut command = Command::new(&self.java);
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(std::env::join_paths([&self.classes, &self.jars.join("*")])?).arg("millstream.Main");
        run(command, "the client in Java", job)
    }
}
