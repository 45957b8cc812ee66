//! Joins of tables: by their key, and by a foreign key, which is the left value's first character.

use millstream::prelude::*;

use super::joins::pair;
use super::{Key, Twin, first, strings, table, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("table_join", |b| out(&inner(&table(b, "left"), &table(b, "right")))),
    ("table_left_join", |b| out(&left(&table(b, "left"), &table(b, "right")))),
    ("table_outer_join", |b| out(&outer(b))),
    ("table_join_stored", |b| out(&stored(inner(&table(b, "left"), &table(b, "right"))))),
    ("table_left_join_stored", |b| out(&stored(left(&table(b, "left"), &table(b, "right"))))),
    ("table_outer_join_stored", |b| out(&stored(outer(b)))),
    ("table_filter_join", |b| {
        let even = table(b, "left").filter(|_, value| value.len().is_multiple_of(2));
        out(&inner(&even, &table(b, "right")));
    }),
    ("table_join_join", |b| out(&left(&inner(&table(b, "left"), &table(b, "right")), &table(b, "third")))),
    ("foreign_key_join", |b| {
        let (left, right) = (table(b, "left"), table(b, "right"));
        out(&stored(left.join_foreign("fk", &right, foreign_key, |l, r| pair(Some(l), Some(r)))));
    }),
    ("foreign_key_left_join", |b| {
        let (left, right) = (table(b, "left"), table(b, "right"));
        out(&stored(left.left_join_foreign("fk", &right, foreign_key, |l, r| pair(Some(l), r))));
    }),
];

fn inner(left: &Table<Key, String>, right: &Table<Key, String>) -> Table<Key, String> {
    left.join(right, |l, r| pair(Some(l), Some(r)))
}

fn left(left: &Table<Key, String>, right: &Table<Key, String>) -> Table<Key, String> {
    left.left_join(right, |l, r| pair(Some(l), r))
}

fn outer(b: &TopologyBuilder) -> Table<Key, String> {
    table(b, "left").outer_join(&table(b, "right"), pair)
}

fn stored(table: Table<Key, String>) -> Table<Key, String> {
    table.materialize(strings("store"))
}

fn out(table: &Table<Key, String>) {
    table.to_stream().to(&texts("out"));
}

/// None for an empty value, and for one that begins with "-".
fn foreign_key(value: &String) -> Option<Key> {
    let key = first(Some(value));
    (key != "-").then_some(Some(key))
}
