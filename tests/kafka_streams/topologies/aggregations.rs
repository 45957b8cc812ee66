//! Aggregates of streams without windows.

use millstream::prelude::*;

use super::{Key, Twin, complete, counts, first, numbers, strings, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("group_by_key_count", |b| by_key(b).count(counts("store")).to_stream().to(&numbers("out"))),
    ("group_by_key_reduce", |b| by_key(b).reduce(strings("store"), reduced).to_stream().to(&texts("out"))),
    ("group_by_key_aggregate", |b| by_key(b).aggregate(strings("store"), start, added).to_stream().to(&texts("out"))),
    ("group_by_count", |b| by_first(b).count(counts("store")).to_stream().to(&numbers("out"))),
    ("group_by_reduce", |b| by_first(b).reduce(strings("store"), reduced).to_stream().to(&texts("out"))),
    ("group_by_aggregate", |b| by_first(b).aggregate(strings("store"), start, added).to_stream().to(&texts("out"))),
    ("cogroup", |b| {
        let (left, right) = (complete(b, "left").group_by_key(), complete(b, "right").group_by_key());
        let marked = |_: &Key, value: String, so_far: &mut String| *so_far += &format!("*{value}");
        left.cogroup(added).cogroup(&right, marked).aggregate(strings("store"), start).to_stream().to(&texts("out"));
    }),
];

fn by_key(b: &TopologyBuilder) -> GroupedStream<Key, String> {
    complete(b, "in").group_by_key()
}

fn by_first(b: &TopologyBuilder) -> GroupedStream<Key, String> {
    let values = super::stream(b, "in").flat_map_values(|value| value);
    values.group_by(texts("by-first"), |_, value| Some(first(Some(value))))
}

pub(super) fn start() -> String {
    ">".to_owned()
}

pub(super) fn reduced(so_far: &String, next: String) -> String {
    format!("{so_far},{next}")
}

pub(super) fn added(_: &Key, value: String, so_far: &mut String) {
    *so_far += &format!("+{value}");
}
