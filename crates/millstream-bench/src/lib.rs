//! Millstream beside other contestants on a real Kafka, one command a workload; and its Avro beside other libraries'
//! (`cargo compare-avro`, [`compare_avro`]).
//!
//! `cargo compare pass-through` loads bids into a topic, lets each contestant work through them in a process of its
//! own, in turn and in several rounds, and reports medians. Every round writes to fresh topics, which are read afterwards:
//! the outputs of all runs must be equal. `cargo compare all` does so with every workload, and writes a report with plots.
//!
//! # What is measured
//!
//! * `records_per_s`: the input's records, by the seconds from the moment at which the contestant takes its first records
//!   out of the client library to the moment at which its last commit is confirmed. Start-up, joining a group and
//!   closing are not in it.
//! * `cpu_s`: user and system time of the contestant's whole process, from its start until it has closed everything, for
//!   which Kafka Streams has a second. The broker's work is not in it.
//! * `cpu_us_per_record`: the same, by the input's records.
//! * `peak_rss_mb`: the most memory that the process had resident at any time, in millions of bytes.
//! * `outputs`: what lies in the output topic, `read_committed`. Beside their number, key, value and timestamp of each are
//!   compared by the sum of their hashes; of a workload with repartition topics what of these is the same in any order. Where a
//!   cache holds changes back until a commit, they are only counted.
//! * `changelog_records`: how many were written to changelogs, a transaction's markers included. It depends on how many
//!   commits a run takes, so it is reported and not compared.
//!
//! `cargo compare restore` fills a compacted changelog once with `--keys` keys of 16 bytes, with values of 64 bytes, and
//! measures how fast it is read:
//!
//! * The contestant in C reads all partitions with two threads, and looks at each byte. Time runs from the assignment to the
//!   last record.
//! * Millstream runs a table over an empty input, with two workers, so that all it does is to restore the table's store. Time
//!   runs from the moment that the first task is opened to the moment that the last one runs.
//!
//! Before the first round the first contestant runs once without being measured: the broker is a JVM, and slow at first.
//!
//! # Contestants
//!
//! * `librdkafka`: written by hand in C, the limit.
//! * `millstream`: the topologies in `workloads/`, with two workers.
//! * `kafka-streams`: the same topologies on Kafka Streams in Java, with two threads, in memory and without its cache, so
//!   that each change is an output, as with all others. `-cache` has the cache on, `-rocksdb` keeps state in RocksDB. Its
//!   settings are in `java/Settings.java`. The row `warm` is a second pass over the input, as another application, in the same
//!   virtual machine; the first one's start and compilation are in the other row.
//!
//! A contestant is a program that gets `bounded WORKLOAD BOOTSTRAP_SERVERS GROUP GUARANTEE COMMIT_INTERVAL_MS CHANGELOG
//! OUTPUT INPUT...` as arguments; inputs and output exist. It reads the inputs with two threads, and ends by itself at their
//! end. When it has closed everything it writes one line to its standard output, `{"records": N, "seconds": S}`, and waits for
//! its standard input: meanwhile its processor time and memory are read from `/proc`, for all contestants alike. A line of
//! arguments there asks for one more pass. With `endless` instead of `bounded` it writes the line when all its tasks run, and
//! ends when its input does.

mod avro;
mod cli;
mod cluster;
mod compare;
mod comparison;
mod contestant;
mod idle;
mod inputs;
mod job;
mod kafka_streams;
mod latency;
mod loaded;
mod memory;
mod millstream_contestant;
mod outputs;
mod parameters;
mod plan;
mod process;
mod report;
mod workloads;

pub use avro::main as compare_avro;
pub use cli::main;
