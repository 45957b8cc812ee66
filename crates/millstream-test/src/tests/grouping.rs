//! Groupings: a hot key over eight partitions, by key and by partial key; and aborts in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream::prelude::*;
use millstream::topology::{Define, Topology};

use super::faults::Faults;
use super::stepped::Stepped;

const PARTITIONS: usize = 8;
const RECORDS: u64 = 20_000;

fn input() -> Topic<u64, String> {
    Topic::new("input", Be64, Utf8)
}

fn counts() -> Topic<String, i64> {
    Topic::new("counts", Utf8, Be64)
}

/// Words as Zipf has them: the second is half as frequent as the first, the third a third. By a fixed sequence.
fn words() -> Vec<Record<u64, String>> {
    let weights: Vec<u64> = (1..=100).map(|rank| 1_000_000 / rank).collect();
    let total: u64 = weights.iter().sum();
    let word = |n: u64| {
        let mut at = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) % total;
        let rank = weights.iter().position(|weight| {
            at < *weight || {
                at -= weight;
                false
            }
        });
        format!("word {}", rank.unwrap_or_default())
    };
    (0..RECORDS).map(|n| Record::new(n, word(n), n as i64)).collect()
}

fn by_key(b: &TopologyBuilder) {
    let grouped = b.stream(&input()).group_by(Topic::new("spread", Utf8, Utf8), |_, word| word.clone());
    grouped.count(Store::new("counts", Utf8, Be64)).to_stream().to(&counts());
}

fn by_partial_key(b: &TopologyBuilder, before: &Faults, after: &Faults) {
    let words = b.stream(&input()).map(|_, word| (word.clone(), word));
    let counted = before.on("before", &words).partial_key(Topic::new("spread", Utf8, Utf8)).count();
    let store = Store::new("counts", Utf8, Be64);
    let merged = counted.merge(Topic::new("parts", Utf8, Be64), store, |count, part| count + part);
    after.on("after", &merged.to_stream().flat_map_values(|count| count)).to(&counts());
}

/// The last count of each word.
fn last_counts(stepped: &Stepped) -> BTreeMap<String, i64> {
    let results = stepped.results(&counts()).into_iter();
    results.map(|placed| (placed.record.key, placed.record.value.unwrap())).collect()
}

fn expected() -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for record in words() {
        *counts.entry(record.value).or_default() += 1;
    }
    counts
}

#[test]
fn partial_keys_take_the_skew_away() {
    // Watermarks lie among the records, with null keys.
    let spread: Topic<Option<String>, String> = Topic::new("test-spread-repartition", Nullable(Utf8), Utf8);
    let most = |define: Box<dyn Fn(&TopologyBuilder) + Send + Sync>| {
        let mut stepped = Stepped::new(PARTITIONS as i32, define);
        stepped.write(&input(), words());
        stepped.run(2);
        assert_eq!(last_counts(&stepped), expected());
        let counts = stepped.counts(&spread, PARTITIONS);
        assert_eq!(counts.iter().sum::<usize>(), RECORDS as usize);
        (counts.iter().copied().max().unwrap(), stepped)
    };
    let (by_key, _) = most(Box::new(by_key));
    let (by_partial_key, stepped) = most(Box::new(|b| by_partial_key(b, &Faults::never(), &Faults::never())));
    // An even share is 2500. The first word alone is a fifth of all.
    let even = RECORDS as usize / PARTITIONS;
    assert!(by_key > even * 8 / 5, "by key the fullest partition has {by_key}, an even share is {even}");
    assert!(by_partial_key < even * 5 / 4, "by partial key the fullest partition has {by_partial_key}");
    let parts: Topic<Option<String>, i64> = Topic::new("test-parts-repartition", Nullable(Utf8), Be64);
    let parts = stepped.counts(&parts, PARTITIONS).iter().sum::<usize>();
    assert!(parts < RECORDS as usize / 4, "{parts} parts are merged");
    let placed = stepped.results(&spread);
    let mut partitions_of: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for placed in &placed {
        if let Some(word) = &placed.record.key {
            partitions_of.entry(word).or_default().insert(placed.partition);
        }
    }
    assert_eq!(partitions_of["word 0"].len(), 2);
    assert!(partitions_of.values().all(|partitions| partitions.len() <= 2), "{partitions_of:?}");
}

#[test]
fn parts_are_neither_lost_nor_doubled_by_aborts() {
    let (before, after) = (Faults::every(701, 5), Faults::every(97, 20));
    let mut stepped = Stepped::new(4, move |b| by_partial_key(b, &before, &after));
    let words = words();
    let (first, second) = words.split_at(words.len() / 2);
    stepped.write(&input(), first.to_vec());
    let aborts = stepped.run(2);
    stepped.write(&input(), second.to_vec());
    let aborts = aborts + stepped.run(3);
    assert_eq!(aborts, 25);
    assert_eq!(last_counts(&stepped), expected());
}

fn error_of(define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> String {
    let define: Define = Arc::new(define);
    Topology::build("test", &define).unwrap_err().to_string()
}

#[test]
fn what_does_not_bring_a_key_together_is_not_grouped_by_it() {
    type Spread = fn(&Stream<u64, String>, Topic<u64, String>) -> Stream<u64, String>;
    let spreads: [Spread; 3] = [
        |stream, topic| stream.shuffle(topic),
        |stream, topic| stream.broadcast(topic),
        |stream, topic| stream.direct(topic, |_, _, _| 0),
    ];
    for spread in spreads {
        let error = error_of(move |b| {
            spread(&b.stream(&input()), Topic::new("spread", Be64, Utf8)).group_by_key();
        });
        assert!(error.contains("group_by_key() after source-test-spread-repartition"), "{error}");
    }
}

#[test]
fn a_topic_without_partitions_is_an_error() {
    let error = error_of(|b| {
        b.stream(&input()).repartition(Topic::new("none", Be64, Utf8).partitions(0));
    });
    assert!(error.contains("test-none-repartition is to have 0 partitions"), "{error}");
}
