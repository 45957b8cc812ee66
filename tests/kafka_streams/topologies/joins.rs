//! Joins.

use std::time::Duration;

use millstream::prelude::*;

use super::{Key, Twin, complete, first, stream, table, text, texts};

pub(crate) const TWINS: &[Twin] = &[
    ("stream_table_join", |b| {
        let table = table(b, "right");
        complete(b, "left").join(&table, |left, right| pair(Some(&left), Some(right))).to(&texts("out"));
    }),
    ("stream_table_left_join", |b| {
        let table = table(b, "right");
        let values = stream(b, "left").flat_map_values(|value| value);
        values.left_join(&table, |left, right| pair(Some(&left), right)).to(&texts("out"));
    }),
    ("stream_join", |b| inner(b, around())),
    ("stream_left_join", |b| left(b, around())),
    ("stream_outer_join", |b| outer(b, around())),
    ("stream_uneven_join", |b| inner(b, uneven())),
    ("stream_uneven_left_join", |b| left(b, uneven())),
    ("stream_uneven_outer_join", |b| outer(b, uneven())),
    ("stream_after_join", |b| inner(b, after())),
    ("stream_after_left_join", |b| left(b, after())),
    ("stream_after_outer_join", |b| outer(b, after())),
    ("stream_self_join", |b| {
        let stream = stream(b, "in");
        stream.join_windowed(&stream, around(), stores(), |l, r| pair(l.as_ref(), r.as_ref())).to(&texts("out"));
    }),
    ("global_table_join", |b| {
        let table = global(b);
        let left = stream(b, "left").flat_map_values(|value| value);
        left.join_global(&table, |_, v| Some(first(Some(v))), |left, right| pair(Some(&left), Some(right)))
            .to(&texts("out"));
    }),
    ("global_table_left_join", |b| {
        let table = global(b);
        let left = stream(b, "left").flat_map_values(|value| value);
        left.left_join_global(&table, |_, v| Some(first(Some(v))), |left, right| pair(Some(&left), right))
            .to(&texts("out"));
    }),
];

fn inner(b: &TopologyBuilder, windows: JoinWindows) {
    let (left, right) = (stream(b, "left"), stream(b, "right"));
    left.join_windowed(&right, windows, stores(), |l, r| pair(l.as_ref(), r.as_ref())).to(&texts("out"));
}

fn left(b: &TopologyBuilder, windows: JoinWindows) {
    let (left, right) = (stream(b, "left"), stream(b, "right"));
    left.left_join_windowed(&right, windows, stores(), |l, r| pair(l.as_ref(), r.and_then(Option::as_ref)))
        .to(&texts("out"));
}

fn outer(b: &TopologyBuilder, windows: JoinWindows) {
    let (left, right) = (stream(b, "left"), stream(b, "right"));
    let joiner = |l: Option<&Option<String>>, r: Option<&Option<String>>| {
        pair(l.and_then(Option::as_ref), r.and_then(Option::as_ref))
    };
    left.outer_join_windowed(&right, windows, stores(), joiner).to(&texts("out"));
}

fn global(b: &TopologyBuilder) -> GlobalTable<String, String> {
    b.global_table(&Topic::new("right", Utf8, Utf8), "global-store")
}

fn around() -> JoinWindows {
    JoinWindows::of_time_difference(ms(10)).grace(ms(5))
}

fn uneven() -> JoinWindows {
    JoinWindows::of_time_difference(ms(8)).before(ms(3)).grace(ms(5))
}

fn after() -> JoinWindows {
    JoinWindows::of_time_difference(ms(10)).before(ms(0))
}

fn stores() -> JoinStores<Key, Option<String>, Option<String>> {
    JoinStores::new("join", Nullable(Utf8), Nullable(Utf8), Nullable(Utf8))
}

pub(super) fn pair(left: Option<&String>, right: Option<&String>) -> String {
    format!("{}+{}", text(left), text(right))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
