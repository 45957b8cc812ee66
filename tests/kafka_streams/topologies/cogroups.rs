//! Aggregates of two streams by window. Values may be null, but for sliding windows: so Kafka Streams hands them to aggregators.

use millstream::prelude::*;

use super::aggregations::{added, marked, start};
use super::windows::{any_added, merged, session, sessions, sliding, texts, tumbling};
use super::{Key, Twin, complete, keyed, strings, text};

pub(crate) const TWINS: &[Twin] = &[
    ("cogroup_tumbling", |b| texts(&any(b).windowed_by(tumbling()).aggregate(strings("store"), start))),
    ("cogroup_sliding", |b| texts(&values(b).windowed_by(sliding()).aggregate(strings("store"), start))),
    ("cogroup_session", |b| sessions(&any(b).windowed_by(session()).aggregate(strings("store"), start, merged))),
];

/// Without null keys.
fn any(b: &TopologyBuilder) -> CogroupedStream<Key, String> {
    let (left, right) = (keyed(b, "left").group_by_key(), keyed(b, "right").group_by_key());
    left.cogroup(any_added).cogroup(&right, |_, value, so_far| *so_far += &format!("*{}", text(value.as_ref())))
}

/// Without null keys and values.
pub(super) fn values(b: &TopologyBuilder) -> CogroupedStream<Key, String> {
    let (left, right) = (complete(b, "left").group_by_key(), complete(b, "right").group_by_key());
    left.cogroup(added).cogroup(&right, marked)
}
