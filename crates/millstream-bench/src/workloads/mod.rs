//! What all contestants do. A workload is a file here, with its topology on Millstream, and a line in [`ALL`]; the same by
//! the same name is in `java/Workloads.java`, and in `c/contestant.c` where it is written by hand.

mod count;
mod filter;
mod hierarchy;
mod joins;
mod pass_through;
mod restore;
mod shuffle_bench;
mod theodolite;
mod windows;
mod words;

use millstream::topology::Define;

use crate::contestant::{Contestant, KafkaStreams};
use crate::inputs::Input;
use crate::job::Topics;

pub(crate) use restore::run as run_restore;

/// The name of the store in workloads that have one.
pub(crate) const STORE: &str = "counts";

/// What is to be done, by whom, and with what.
pub(crate) struct Workload {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it does, in one sentence.
    pub(crate) about: &'static str,
    /// The topics that it reads.
    pub(crate) inputs: &'static [&'static Input],
    /// Who can run it; the first is what the others are compared with.
    pub(crate) contestants: &'static [Contestant],
    /// It on Millstream.
    pub(crate) topology: fn(&Topics) -> Define,
    /// Whether it has a store that the contestant in C writes a changelog of.
    pub(crate) has_changelog: bool,
    /// Whether it writes to repartition topics, so that more records are processed than the inputs have.
    pub(crate) has_repartitions: bool,
    /// Whether it reads its first input into a store, and is done then.
    pub(crate) restores: bool,
    /// What of the outputs is to be equal.
    pub(crate) compared: Compared,
}

/// What of the outputs is the same whoever works, and however fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Key, value and timestamp of each record.
    Records,
    /// Key and value of each record: whose time it has depends on the order in which records of several partitions come.
    KeysAndValues,
    /// The number of records, and key, value and timestamp of the last one of each key: what a key had on the way depends on the
    /// order in which records of several partitions come.
    LastOfKeys,
}

/// All workloads, those together that read the same inputs.
pub(crate) static ALL: &[&Workload] = &[
    &pass_through::PASS_THROUGH,
    &filter::FILTER,
    &count::COUNT,
    &windows::TUMBLING,
    &windows::HOPPING,
    &joins::STREAM_TABLE_JOIN,
    &joins::STREAM_STREAM_JOIN,
    &count::COUNT_ZIPF,
    &theodolite::UC1,
    &theodolite::UC2,
    &theodolite::UC3,
    &hierarchy::UC4,
    &shuffle_bench::SHUFFLE_BENCH,
    &restore::RESTORE,
];

/// Without state there is one Kafka Streams.
const STATELESS: &[Contestant] =
    &[Contestant::Librdkafka, Contestant::Millstream, Contestant::KafkaStreams(KafkaStreams::Memory)];

/// What is not written by hand in C.
const STATELESS_IN_JAVA: &[Contestant] = &[Contestant::Millstream, Contestant::KafkaStreams(KafkaStreams::Memory)];

const STATEFUL: &[Contestant] = &[
    Contestant::Millstream,
    Contestant::KafkaStreams(KafkaStreams::Memory),
    Contestant::KafkaStreams(KafkaStreams::RocksDb),
];

impl Workload {
    /// The workload with this name.
    pub(crate) fn find(name: &str) -> Option<&'static Workload> {
        ALL.iter().copied().find(|workload| workload.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_differ_and_each_topology_can_be_built() {
        let names: BTreeSet<&str> = ALL.iter().map(|workload| workload.name).collect();
        assert_eq!(names.len(), ALL.len());
        for workload in ALL {
            let inputs = workload.inputs.iter().map(|input| input.name.to_owned()).collect();
            let define = (workload.topology)(&Topics::of("g", inputs));
            let driver = millstream_test::TopologyTestDriver::new(move |b| define(b));
            assert!(driver.has_topic("g-out"), "{}", workload.name);
        }
    }
}
