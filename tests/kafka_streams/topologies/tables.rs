//! Operators on one table.

use std::time::Duration;

use millstream::prelude::*;

use super::aggregations::{added, reduced, start};
use super::{Key, Twin, complete, counts, first, length, numbers, stream, strings, table, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("table_to_stream", |b| write(&table(b, "in"))),
    ("table_filter", |b| write(&even(&table(b, "in")))),
    ("table_filter_not", |b| write(&table(b, "in").filter_not(|_, v| length(Some(v)).is_multiple_of(2)))),
    ("table_filter_stored", |b| write(&even(&table(b, "in")).materialize(strings("even")))),
    ("table_map_values", |b| write(&marked(&table(b, "in")))),
    ("table_map_values_stored", |b| write(&marked(&table(b, "in")).materialize(strings("marked")))),
    ("table_filter_map_values", |b| write(&marked(&even(&table(b, "in"))))),
    ("table_group_by_count", |b| {
        by_first(&table(b, "in")).count(counts("store")).to_stream().to(&numbers("out"));
    }),
    ("table_group_by_reduce", |b| {
        write(&by_first(&table(b, "in")).reduce(strings("store"), reduced, |so_far, old| format!("{so_far}-{old}")));
    }),
    ("table_group_by_aggregate", |b| write(&aggregated(&by_first(&table(b, "in"))))),
    ("table_filter_group_by_aggregate", |b| write(&aggregated(&by_first(&even(&table(b, "in")))))),
    ("table_group_by_null", |b| {
        let by_first = table(b, "in").group_by(texts("by-first"), |_, v| {
            let key = (v.len() != 1).then(|| first(Some(v)));
            (key, v.clone())
        });
        by_first.count(counts("store")).to_stream().to(&numbers("out"));
    }),
    ("aggregate_group_by_aggregate", |b| {
        let last = complete(b, "in").group_by_key().reduce(strings("last"), |_, next| next);
        write(&aggregated(&by_first(&last)));
    }),
    ("stream_to_table", |b| write(&stream(b, "in").to_table(strings("store")))),
    ("table_suppress", |b| write(&suppressed(b, Bound::unbounded()))),
    ("table_suppress_two", |b| write(&suppressed(b, Bound::records(2).emit_early()))),
    ("table_suppress_group_by_aggregate", |b| {
        write(&aggregated(&by_first(&suppressed(b, Bound::unbounded()))));
    }),
];

fn suppressed(b: &TopologyBuilder, bound: Bound) -> Table<Key, String> {
    let limit = Suppressed::until_time_limit(Duration::from_millis(10), bound);
    table(b, "in").suppress(limit, strings("buffer"))
}

pub(super) fn write(table: &Table<Key, String>) {
    table.to_stream().to(&texts("out"));
}

pub(super) fn even(table: &Table<Key, String>) -> Table<Key, String> {
    table.filter(|_, v| length(Some(v)).is_multiple_of(2))
}

fn marked(table: &Table<Key, String>) -> Table<Key, String> {
    table.map_values(|v| format!("{v}!"))
}

pub(super) fn by_first(table: &Table<Key, String>) -> GroupedTable<Key, String> {
    table.group_by(texts("by-first"), |_, v| (Some(first(Some(v))), v.clone()))
}

pub(super) fn aggregated(grouped: &GroupedTable<Key, String>) -> Table<Key, String> {
    grouped.aggregate(strings("store"), start, added, |_, value, so_far| *so_far += &format!("-{value}"))
}
