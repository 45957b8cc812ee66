//! Groupings: a hot key over eight partitions, by key and by partial key; and aborts in between.

use std::collections::{BTreeMap, BTreeSet};

use millstream::prelude::*;

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
    let spread: Topic<String, String> = Topic::new("test-spread-repartition", Utf8, Utf8);
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
    let parts: Topic<String, i64> = Topic::new("test-parts-repartition", Utf8, Be64);
    let parts = stepped.counts(&parts, PARTITIONS).iter().sum::<usize>();
    assert!(parts < RECORDS as usize / 4, "{parts} parts are merged");
    let placed = stepped.results(&spread);
    let mut partitions_of: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for record in &placed {
        partitions_of.entry(&record.record.key).or_default().insert(record.partition);
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
