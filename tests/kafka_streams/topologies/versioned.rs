//! Tables that remember what their values were, for 20 ms.

use std::time::Duration;

use millstream::prelude::*;

use super::joins::pair;
use super::tables::{aggregated, by_first, even, write};
use super::{Key, Twin, complete, counts, numbers, stream, strings, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("versioned_table", |b| write(&versioned(b, "in"))),
    ("versioned_table_filter", |b| write(&even(&versioned(b, "in")))),
    ("versioned_table_group_by_aggregate", |b| write(&aggregated(&by_first(&versioned(b, "in"))))),
    ("versioned_table_group_by_count", |b| {
        by_first(&versioned(b, "in")).count(counts("store")).to_stream().to(&numbers("out"));
    }),
    ("versioned_table_join", |b| {
        let (left, right) = (versioned(b, "left"), versioned(b, "right"));
        write(&left.join(&right, |l, r| pair(Some(l), Some(r))));
    }),
    ("versioned_table_left_join", |b| {
        let (left, right) = (versioned(b, "left"), versioned(b, "right"));
        write(&left.left_join(&right, |l, r| pair(Some(l), r)));
    }),
    ("versioned_table_outer_join", |b| {
        let (left, right) = (versioned(b, "left"), versioned(b, "right"));
        write(&left.outer_join(&right, pair));
    }),
    ("stream_versioned_table_join", |b| {
        let table = versioned(b, "right");
        complete(b, "left").join(&table, |left, right| pair(Some(&left), Some(right))).to(&texts("out"));
    }),
    ("stream_versioned_table_left_join", |b| {
        let table = versioned(b, "right");
        let values = stream(b, "left").flat_map_values(|value| value);
        values.left_join(&table, |left, right| pair(Some(&left), right)).to(&texts("out"));
    }),
];

fn versioned(b: &TopologyBuilder, topic: &'static str) -> Table<Key, String> {
    let store = strings(&format!("{topic}-store"));
    b.versioned_table(&Topic::new(topic, Nullable(Utf8), Utf8), store, Duration::from_millis(20))
}
