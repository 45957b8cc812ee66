use std::sync::Arc;

use millstream::prelude::*;
use millstream::topology::Define;

use super::{Compared, STORE, Workload};
use crate::contestant::{Contestant, KafkaStreams};
use crate::inputs::{BIDS, ZIPF_BIDS};
use crate::job::Topics;

pub(super) static COUNT: Workload = Workload {
    name: "count",
    about: "Count by key, 100,000 equally probable keys: each record puts its key with the new count (8 bytes, big-endian) \
            into the output, and each key that changed goes once a commit to the changelog.",
    inputs: &[&BIDS],
    ..COUNT_ZIPF
};

pub(super) static COUNT_ZIPF: Workload = Workload {
    name: "count-zipf",
    about: "The same with keys as Zipf's law says (exponent 1): few keys have most records.",
    inputs: &[&ZIPF_BIDS],
    contestants: &[
        Contestant::Librdkafka,
        Contestant::Millstream,
        Contestant::KafkaStreams(KafkaStreams::Memory),
        Contestant::KafkaStreams(KafkaStreams::MemoryCached),
        Contestant::KafkaStreams(KafkaStreams::RocksDb),
        Contestant::KafkaStreams(KafkaStreams::RocksDbCached),
    ],
    topology,
    has_changelog: true,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};

/// Counting does not look at values; nor does the contestant in C.
fn topology(topics: &Topics) -> Define {
    let input = Topic::new(&*topics.inputs[0], Utf8, Unit);
    let output = Topic::<_, i64>::new(&*topics.output, Utf8, Be64);
    Arc::new(move |b| b.stream(&input).group_by_key().count(Store::new(STORE, Utf8, Be64)).to_stream().to(&output))
}
