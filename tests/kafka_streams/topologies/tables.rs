//! Operators on one table.

use millstream::prelude::*;

use super::{Key, Twin, aggregations, complete, counts, first, numbers, stream, strings, table, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("table_to_stream", |b| out(&table(b, "in"))),
    ("table_filter", |b| out(&even(b))),
    ("table_filter_not", |b| out(&table(b, "in").filter_not(|_, v| is_even(v)))),
    ("table_filter_stored", |b| out(&even(b).materialize(strings("even")))),
    ("table_map_values", |b| out(&table(b, "in").map_values(marked))),
    ("table_map_values_stored", |b| out(&table(b, "in").map_values(marked).materialize(strings("marked")))),
    ("table_filter_map_values", |b| out(&even(b).map_values(marked))),
    ("table_group_by_count", |b| by_first(&table(b, "in")).count(counts("store")).to_stream().to(&numbers("out"))),
    ("table_group_by_reduce", |b| {
        let reduced = by_first(&table(b, "in"))
            .reduce(strings("store"), aggregations::reduced, |so_far, old| format!("{so_far}-{old}"));
        out(&reduced);
    }),
    ("table_group_by_aggregate", |b| out(&aggregated(by_first(&table(b, "in"))))),
    ("table_filter_group_by_aggregate", |b| out(&aggregated(by_first(&even(b))))),
    ("table_group_by_null", |b| {
        let key = |_: &Key, value: &String| ((value.len() != 1).then(|| first(Some(value))), value.clone());
        let grouped = table(b, "in").group_by(texts("by-first"), key);
        grouped.count(counts("store")).to_stream().to(&numbers("out"));
    }),
    ("aggregate_group_by_aggregate", |b| {
        let last = complete(b, "in").group_by_key().reduce(strings("last"), |_, next| next);
        out(&aggregated(by_first(&last)));
    }),
    ("stream_to_table", |b| out(&stream(b, "in").to_table(strings("store")))),
];

fn out(table: &Table<Key, String>) {
    table.to_stream().to(&texts("out"));
}

fn even(b: &TopologyBuilder) -> Table<Key, String> {
    table(b, "in").filter(|_, value| is_even(value))
}

fn is_even(value: &str) -> bool {
    value.len().is_multiple_of(2)
}

fn marked(value: &String) -> String {
    format!("{value}!")
}

/// By the value's first character.
fn by_first(table: &Table<Key, String>) -> GroupedTable<Key, String> {
    table.group_by(texts("by-first"), |_, value| (Some(first(Some(value))), value.clone()))
}

fn aggregated(grouped: GroupedTable<Key, String>) -> Table<Key, String> {
    let removed = |_: &Key, value: String, so_far: &mut String| *so_far += &format!("-{value}");
    grouped.aggregate(strings("store"), aggregations::start, aggregations::added, removed)
}
