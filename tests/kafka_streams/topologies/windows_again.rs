//! Windowed tables that are grouped by another key: all windows of a key in one aggregate, which shows the values before.

use millstream::dsl::Windows;
use millstream::prelude::*;

use super::aggregations::{added, reduced, start};
use super::windows::{hopping, session, sliding, tumbling, tumbling_no_grace, values};
use super::{Key, Twin, strings, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("tumbling_reduce_group_by_aggregate", |b| reduced_by_key(b, tumbling())),
    ("tumbling_aggregate_group_by_aggregate", |b| {
        by_key(&values(b, tumbling()).aggregate(strings("store"), start, added));
    }),
    ("tumbling_no_grace_reduce_group_by_aggregate", |b| reduced_by_key(b, tumbling_no_grace())),
    ("hopping_reduce_group_by_aggregate", |b| reduced_by_key(b, hopping())),
    ("sliding_reduce_group_by_aggregate", |b| reduced_by_key(b, sliding())),
    ("session_reduce_group_by_aggregate", |b| reduced_by_key(b, session())),
];

fn reduced_by_key(b: &TopologyBuilder, windows: impl Windows) {
    by_key(&values(b, windows).reduce(strings("store"), reduced));
}

fn by_key(table: &Table<Windowed<Key>, String>) {
    let by_key = table.group_by(texts("by-key"), |key, value| (key.key.clone(), value.clone()));
    let removed = |_: &Key, value: String, so_far: &mut String| *so_far += &format!("-{value}");
    by_key.aggregate(strings("all"), start, added, removed).to_stream().to(&texts("out"));
}
