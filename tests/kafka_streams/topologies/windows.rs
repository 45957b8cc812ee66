//! Aggregates by window. Their values may be null: Kafka Streams hands them to windowed aggregators.

use std::time::Duration;

use millstream::prelude::*;

use super::{Key, Twin, counts, keyed, strings, text};

const TEN: Duration = Duration::from_millis(10);

pub(crate) const TWINS: &[Twin] = &[
    ("tumbling_count", |b| count(b, tumbling())),
    ("tumbling_reduce", |b| reduce(b, tumbling())),
    ("tumbling_aggregate", |b| aggregate(b, tumbling())),
    ("tumbling_no_grace_count", |b| count(b, TimeWindows::tumbling(TEN))),
    ("tumbling_no_grace_reduce", |b| reduce(b, TimeWindows::tumbling(TEN))),
    ("tumbling_no_grace_aggregate", |b| aggregate(b, TimeWindows::tumbling(TEN))),
];

fn tumbling() -> TimeWindows {
    TimeWindows::tumbling(TEN).grace(Duration::from_millis(5))
}

fn windowed(b: &TopologyBuilder, windows: TimeWindows) -> WindowedStream<Key, Option<String>> {
    keyed(b, "in").group_by_key().windowed_by(windows)
}

fn count(b: &TopologyBuilder, windows: TimeWindows) {
    let out = Topic::<_, i64>::new("out", TimeWindowed::new(Nullable(Utf8), 10), Be64);
    windowed(b, windows).count(counts("store")).to_stream().to(&out);
}

fn reduce(b: &TopologyBuilder, windows: TimeWindows) {
    let store = Store::new("store", Nullable(Utf8), Nullable(Utf8));
    let reduced = windowed(b, windows).reduce(store, |so_far, next| match so_far {
        Some(so_far) => Some(format!("{so_far},{}", text(next.as_ref()))),
        None => next,
    });
    reduced.to_stream().map_values(Option::flatten).to(&texts());
}

fn aggregate(b: &TopologyBuilder, windows: TimeWindows) {
    let aggregate = windowed(b, windows).aggregate(
        strings("store"),
        || ">".to_owned(),
        |_, value, so_far| *so_far += &format!("+{}", text(value.as_ref())),
    );
    aggregate.to_stream().to(&texts());
}

fn texts() -> Topic<Windowed<Key>, String> {
    Topic::new("out", TimeWindowed::new(Nullable(Utf8), 10), Utf8)
}
