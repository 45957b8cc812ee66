//! Operators without state.

use millstream::prelude::*;

use super::{Key, Twin, length, stream, text, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("filter", |b| stream(b, "in").filter(|_, v| length(v.as_ref()).is_multiple_of(2)).to(&texts("out"))),
    ("filter_not", |b| stream(b, "in").filter_not(|_, v| length(v.as_ref()).is_multiple_of(2)).to(&texts("out"))),
    ("map", |b| stream(b, "in").map(|k, v| (v, k)).to(&texts("out"))),
    ("map_values", |b| stream(b, "in").map_values(|v| v.map(|v| v + "!")).to(&texts("out"))),
    ("flat_map", |b| {
        stream(b, "in").flat_map(|k, v| characters(v).into_iter().map(move |c| (Some(c), k.clone()))).to(&texts("out"))
    }),
    ("flat_map_values", |b| stream(b, "in").flat_map_values(characters).to(&texts("out"))),
    ("split", split),
    ("merge", |b| {
        let right = stream(b, "right").map_values(|v| Some(format!("{}!", text(v.as_ref()))));
        stream(b, "left").merge(&right).to(&texts("out"));
    }),
    ("repartition", |b| {
        let again: Topic<Key, Option<String>> = Topic::new("again", Nullable(Utf8), Nullable(Utf8));
        stream(b, "in").map(|k, v| (v, k)).repartition(again).to(&texts("out"));
    }),
];

fn split(b: &TopologyBuilder) {
    let mut split = stream(b, "in").split();
    split.branch(|_, v| length(v.as_ref()) < 2).to(&texts("out-short"));
    split.branch(|_, v| length(v.as_ref()) < 3).to(&texts("out-middle"));
    split.otherwise().to(&texts("out-long"));
}

fn characters(value: Option<String>) -> Vec<String> {
    value.iter().flat_map(|value| value.chars()).map(String::from).collect()
}
