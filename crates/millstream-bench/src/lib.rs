//! Millstream beside other contestants on a real Kafka, one command a workload.
//!
//! `cargo compare pass-through` loads bids into a topic, lets each contestant work through them in a process of its
//! own, in turn and in several rounds, and reports medians. Every round writes to fresh topics. At the end the outputs
//! of all runs are counted on the broker; unequal counts fail the command.
//!
//! # What is measured
//!
//! * `records_per_s`: the input's records, by the seconds from the moment at which the contestant takes its first records
//!   out of the client library to the moment at which its last commit is confirmed. Start-up, joining a group and
//!   closing are not in it.
//! * `cpu_s`: user and system time of the contestant's whole process, from its start until it has closed everything. The
//!   broker's work is not in it.
//! * `cpu_us_per_record`: the same, by the input's records.
//! * `peak_rss_mb`: the most memory that the process had resident at any time, in millions of bytes.
//! * `outputs`: what lies in the output topic. Contestants run at least once, without transactions, so there are no
//!   markers among the offsets, and end offsets count records.
//! * `changelog_records`: the same for the changelog, in workloads that have one. It depends on how many commits a run
//!   takes, so it is reported and not compared.
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
//! # What a contestant is
//!
//! A program that gets `WORKLOAD BOOTSTRAP_SERVERS GROUP INPUT OUTPUT CHANGELOG` as arguments; all topics exist. It reads
//! `INPUT` with two threads, commits once a second at least once, and ends by itself at the input's end. When it has
//! closed everything it writes one line to its standard output, `{"records": N, "seconds": S}`, and waits until its
//! standard input ends: meanwhile its processor time and memory are read from `/proc`, for all contestants alike.

mod bids;
mod cli;
mod cluster;
mod compare;
mod contestant;
mod load;
mod millstream_contestant;
mod process;
mod report;
mod restore_contestant;
mod rows;
mod workload;

pub use cli::main;
