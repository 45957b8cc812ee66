//! Aggregates by window. Values may be null, but for sliding windows: so Kafka Streams hands them to aggregators.

use std::time::Duration;

use millstream::dsl::Windows;
use millstream::prelude::*;

use super::aggregations::{added, reduced, start};
use super::{Key, Twin, complete, counts, keyed, strings, text};

const TEN: Duration = Duration::from_millis(10);
const FIVE: Duration = Duration::from_millis(5);

pub(crate) const TWINS: &[Twin] = &[
    ("tumbling_count", |b| numbers(&windowed(b, tumbling()).count(counts("store")))),
    ("tumbling_reduce", |b| texts(&values(b, tumbling()).reduce(strings("store"), reduced))),
    ("tumbling_aggregate", |b| texts(&windowed(b, tumbling()).aggregate(strings("store"), start, any_added))),
    ("tumbling_suppress", |b| {
        let table = windowed(b, tumbling()).aggregate(strings("store"), start, any_added);
        texts(&table.suppress(until_closed(), Store::new("buffer", time_windowed(), Utf8)));
    }),
    ("tumbling_emit_on_close", |b| {
        texts(&windowed(b, tumbling()).emit(Emit::OnWindowClose).aggregate(strings("store"), start, any_added));
    }),
    ("tumbling_no_grace_count", |b| numbers(&windowed(b, tumbling_no_grace()).count(counts("store")))),
    ("tumbling_no_grace_reduce", |b| texts(&values(b, tumbling_no_grace()).reduce(strings("store"), reduced))),
    ("tumbling_no_grace_aggregate", |b| {
        texts(&windowed(b, tumbling_no_grace()).aggregate(strings("store"), start, any_added))
    }),
    ("tumbling_no_grace_suppress", |b| {
        let table = windowed(b, tumbling_no_grace()).aggregate(strings("store"), start, any_added);
        texts(&table.suppress(until_closed(), Store::new("buffer", time_windowed(), Utf8)));
    }),
    ("tumbling_no_grace_emit_on_close", |b| {
        texts(&windowed(b, tumbling_no_grace()).emit(Emit::OnWindowClose).aggregate(
            strings("store"),
            start,
            any_added,
        ));
    }),
    ("hopping_count", |b| numbers(&windowed(b, hopping()).count(counts("store")))),
    ("hopping_reduce", |b| texts(&values(b, hopping()).reduce(strings("store"), reduced))),
    ("hopping_aggregate", |b| texts(&windowed(b, hopping()).aggregate(strings("store"), start, any_added))),
    ("hopping_suppress", |b| {
        let table = windowed(b, hopping()).aggregate(strings("store"), start, any_added);
        texts(&table.suppress(until_closed(), Store::new("buffer", time_windowed(), Utf8)));
    }),
    ("hopping_emit_on_close", |b| {
        texts(&windowed(b, hopping()).emit(Emit::OnWindowClose).aggregate(strings("store"), start, any_added));
    }),
    ("sliding_count", |b| numbers(&values(b, sliding()).count(counts("store")))),
    ("sliding_reduce", |b| texts(&values(b, sliding()).reduce(strings("store"), reduced))),
    ("sliding_aggregate", |b| texts(&values(b, sliding()).aggregate(strings("store"), start, added))),
    ("sliding_suppress", |b| {
        let table = values(b, sliding()).aggregate(strings("store"), start, added);
        texts(&table.suppress(until_closed(), Store::new("buffer", time_windowed(), Utf8)));
    }),
    ("sliding_emit_on_close", |b| {
        texts(&values(b, sliding()).emit(Emit::OnWindowClose).aggregate(strings("store"), start, added));
    }),
    ("session_count", |b| {
        let sessions: Topic<Windowed<Key>, i64> = Topic::new("out", SessionWindowed(Nullable(Utf8)), Be64);
        windowed(b, session()).count(counts("store")).to_stream().to(&sessions);
    }),
    ("session_reduce", |b| sessions(&values(b, session()).reduce(strings("store"), reduced))),
    ("session_aggregate", |b| sessions(&windowed(b, session()).aggregate(strings("store"), start, any_added, merged))),
    ("session_suppress", |b| {
        let table = windowed(b, session()).aggregate(strings("store"), start, any_added, merged);
        sessions(&table.suppress(until_closed(), Store::new("buffer", SessionWindowed(Nullable(Utf8)), Utf8)));
    }),
    ("session_emit_on_close", |b| {
        let windowed = windowed(b, session()).emit(Emit::OnWindowClose);
        sessions(&windowed.aggregate(strings("store"), start, any_added, merged));
    }),
];

pub(super) fn tumbling() -> TimeWindows {
    TimeWindows::tumbling(TEN).grace(FIVE)
}

pub(super) fn tumbling_no_grace() -> TimeWindows {
    TimeWindows::tumbling(TEN)
}

pub(super) fn hopping() -> TimeWindows {
    TimeWindows::hopping(TEN, Duration::from_millis(4)).grace(FIVE)
}

pub(super) fn sliding() -> SlidingWindows {
    SlidingWindows::of(TEN).grace(FIVE)
}

pub(super) fn session() -> SessionWindows {
    SessionWindows::inactivity_gap(FIVE).grace(FIVE)
}

fn until_closed() -> Suppressed<Windowed<Key>> {
    Suppressed::until_window_closes(Bound::unbounded())
}

/// Without null keys.
fn windowed<W: Windows>(b: &TopologyBuilder, windows: W) -> WindowedStream<Key, Option<String>, W> {
    keyed(b, "in").group_by_key().windowed_by(windows)
}

/// Without null keys and values.
pub(super) fn values<W: Windows>(b: &TopologyBuilder, windows: W) -> WindowedStream<Key, String, W> {
    complete(b, "in").group_by_key().windowed_by(windows)
}

pub(super) fn any_added(_: &Key, value: Option<String>, so_far: &mut String) {
    *so_far += &format!("+{}", text(value.as_ref()));
}

pub(super) fn merged(_: &Key, left: &mut String, right: String) {
    *left += &format!("&{right}");
}

fn time_windowed() -> TimeWindowed<Nullable<Utf8>> {
    TimeWindowed::new(Nullable(Utf8), 10)
}

fn numbers(table: &Table<Windowed<Key>, i64>) {
    table.to_stream().to(&Topic::<_, i64>::new("out", time_windowed(), Be64));
}

pub(super) fn texts(table: &Table<Windowed<Key>, String>) {
    table.to_stream().to(&Topic::<_, String>::new("out", time_windowed(), Utf8));
}

pub(super) fn sessions(table: &Table<Windowed<Key>, String>) {
    table.to_stream().to(&Topic::<_, String>::new("out", SessionWindowed(Nullable(Utf8)), Utf8));
}
