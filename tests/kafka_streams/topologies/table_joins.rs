//! Joins of tables.

use millstream::prelude::*;

use super::joins::pair;
use super::{Key, Twin, first, length, strings, table, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("table_join", |b| write(&inner(b))),
    ("table_left_join", |b| write(&left(b))),
    ("table_outer_join", |b| write(&outer(b))),
    ("table_join_stored", |b| write(&inner(b).materialize(strings("store")))),
    ("table_left_join_stored", |b| write(&left(b).materialize(strings("store")))),
    ("table_outer_join_stored", |b| write(&outer(b).materialize(strings("store")))),
    ("table_filter_join", |b| {
        let (left, right) = (table(b, "left"), table(b, "right"));
        let even = left.filter(|_, v| length(Some(v)).is_multiple_of(2));
        write(&even.join(&right, |l, r| pair(Some(l), Some(r))));
    }),
    ("table_join_join", |b| {
        let (joined, third) = (inner(b), table(b, "third"));
        write(&joined.left_join(&third, |l, r| pair(Some(l), r)));
    }),
    ("foreign_key_join", |b| {
        let (left, right) = (table(b, "left"), table(b, "right"));
        let joined = left.join_foreign("fk", &right, foreign_key, |l, r| pair(Some(l), Some(r)));
        write(&joined.materialize(strings("store")));
    }),
    ("foreign_key_left_join", |b| {
        let (left, right) = (table(b, "left"), table(b, "right"));
        let joined = left.left_join_foreign("fk", &right, foreign_key, |l, r| pair(Some(l), r));
        write(&joined.materialize(strings("store")));
    }),
];

fn inner(b: &TopologyBuilder) -> Table<Key, String> {
    let (left, right) = (table(b, "left"), table(b, "right"));
    left.join(&right, |l, r| pair(Some(l), Some(r)))
}

fn left(b: &TopologyBuilder) -> Table<Key, String> {
    let (left, right) = (table(b, "left"), table(b, "right"));
    left.left_join(&right, |l, r| pair(Some(l), r))
}

fn outer(b: &TopologyBuilder) -> Table<Key, String> {
    let (left, right) = (table(b, "left"), table(b, "right"));
    left.outer_join(&right, pair)
}

fn write(table: &Table<Key, String>) {
    table.to_stream().to(&texts("out"));
}

/// None for an empty value, and for one that begins with "-".
fn foreign_key(value: &String) -> Option<Key> {
    let key = first(Some(value));
    (key != "-").then_some(Some(key))
}
