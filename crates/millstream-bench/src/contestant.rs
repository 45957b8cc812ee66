use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use crate::job::Job;
use crate::kafka_streams;

/// A program that runs workloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// Written by hand in C, on the librdkafka that Millstream stands on too: the limit.
    Librdkafka,
    /// A topology, on this version of Millstream.
    Millstream,
    /// The same topology on Kafka Streams, in Java.
    KafkaStreams(KafkaStreams),
}

/// Where Kafka Streams' state lies, and whether its cache holds changes back until a commit: then there are fewer outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KafkaStreams {
    Memory,
    MemoryCached,
    RocksDb,
    RocksDbCached,
}

/// The first argument of this program when it is started as a contestant; the second is the contestant's name.
pub(crate) const CONTESTANT: &str = "contestant";

/// The executable that build.rs makes.
const LIBRDKAFKA: &str = env!("MILLSTREAM_BENCH_LIBRDKAFKA");

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contestant::Librdkafka => "librdkafka",
            Contestant::Millstream => "millstream",
            Contestant::KafkaStreams(KafkaStreams::Memory) => "kafka-streams",
            Contestant::KafkaStreams(KafkaStreams::MemoryCached) => "kafka-streams-cache",
            Contestant::KafkaStreams(KafkaStreams::RocksDb) => "kafka-streams-rocksdb",
            Contestant::KafkaStreams(KafkaStreams::RocksDbCached) => "kafka-streams-rocksdb-cache",
        }
    }

    /// Whether its outputs are those of all others, one for one.
    pub(crate) fn tells_each_change(self) -> bool {
        !matches!(self, Contestant::KafkaStreams(KafkaStreams::MemoryCached | KafkaStreams::RocksDbCached))
    }

    /// How a process of it that has run before is called: one that is faster then.
    pub(crate) fn warm_name(self) -> Option<String> {
        matches!(self, Contestant::KafkaStreams(_)).then(|| format!("{} warm", self.name()))
    }

    /// The command of one run.
    pub(crate) fn command(self, job: &Job) -> Result<Command> {
        let mut command = match self {
            Contestant::Librdkafka => Command::new(LIBRDKAFKA),
            Contestant::Millstream => {
                let mut command = Command::new(env::current_exe().context("finding this program's own path")?);
                command.args([CONTESTANT, self.name()]);
                command
            }
            Contestant::KafkaStreams(kafka_streams) => kafka_streams::command(kafka_streams)?,
        };
        command.args(job.arguments());
        Ok(command)
    }
}
