//! Kafka Streams: its jars, and the program in `java/`, compiled once.

use std::process::Command;

use anyhow::{Context, Result};
use millstream_local_kafka::{are_jars_available, compile_java, find_java, install_jars};

use crate::contestant::KafkaStreams;

/// The version in `java/pom.xml`.
pub(crate) const VERSION: &str = "4.3.1";

const POM: &str = include_str!("../java/pom.xml");
const FOLDER: &str = "kafka-streams-contestant-4.3.1";

const SOURCES: [(&str, &str); 14] = [
    ("Counts.java", include_str!("../java/Counts.java")),
    ("Filter.java", include_str!("../java/Filter.java")),
    ("Hierarchy.java", include_str!("../java/Hierarchy.java")),
    ("Job.java", include_str!("../java/Job.java")),
    ("Joins.java", include_str!("../java/Joins.java")),
    ("Main.java", include_str!("../java/Main.java")),
    ("PassThrough.java", include_str!("../java/PassThrough.java")),
    ("Run.java", include_str!("../java/Run.java")),
    ("Settings.java", include_str!("../java/Settings.java")),
    ("ShuffleBench.java", include_str!("../java/ShuffleBench.java")),
    ("Stores.java", include_str!("../java/Stores.java")),
    ("Theodolite.java", include_str!("../java/Theodolite.java")),
    ("WindowCounts.java", include_str!("../java/WindowCounts.java")),
    ("Workloads.java", include_str!("../java/Workloads.java")),
];

/// The most that the heap takes: ample for every workload, and no more than a container of such a service would have.
pub(crate) const HEAP: &str = "-Xmx1g";

/// Warnings and errors; the collector is what Java itself takes on a server.
const OPTIONS: [&str; 4] =
    ["-XX:+UseG1GC", "-XX:+PerfDisableSharedMem", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", HEAP];

/// What the cache holds at most: enough for all keys of a workload.
const CACHE_BYTES: u64 = 64 << 20;

/// Why Kafka Streams cannot be run here, if it cannot.
pub(crate) fn missing() -> Option<String> {
    are_jars_available(FOLDER, POM).err().map(|error| error.to_string())
}

/// The command without the job's arguments. Fetches the jars and compiles the first time.
pub(crate) fn command(kafka_streams: KafkaStreams) -> Result<Command> {
    let java = find_java()?;
    let jars = install_jars(FOLDER, POM)?;
    let classes = compile_java(&jars, &SOURCES)?;
    let class_path = std::env::join_paths([&classes, &jars.join("*")]).context("a class path of the jars' folder")?;
    let (store, cache_bytes) = match kafka_streams {
        KafkaStreams::Memory => ("memory", 0),
        KafkaStreams::MemoryCached => ("memory", CACHE_BYTES),
        KafkaStreams::RocksDb => ("rocksdb", 0),
        KafkaStreams::RocksDbCached => ("rocksdb", CACHE_BYTES),
    };
    let mut command = Command::new(java);
    command.args(OPTIONS).arg("-cp").arg(class_path).args(["millstream.Main", store, &cache_bytes.to_string()]);
    Ok(command)
}
