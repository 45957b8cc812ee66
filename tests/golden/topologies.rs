//! Topologies that have each operator once.

use std::convert::Infallible;
use std::time::Duration;

use millstream::prelude::*;

fn topic(name: &str) -> Topic<String, String> {
    Topic::new(name.to_owned(), Utf8, Utf8)
}

fn store(name: &str) -> Store<String, String> {
    Store::new(name.to_owned(), Utf8, Utf8)
}

fn counts(name: &str) -> Store<String, i64> {
    Store::new(name.to_owned(), Utf8, Be64)
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Streams: what is made of each record, grouping, plain aggregates, and sinks.
pub(crate) fn operators(b: &TopologyBuilder) {
    let names = b.table(&topic("names"), store("names"));
    let input = b.stream(&topic("input"));
    let read = input.filter(|_, v| !v.is_empty()).filter_not(|k, _| k.is_empty()).inspect(|_, _| ());
    let joined = read.join(&names, |v, name| v + name).merge(&read.left_join(&names, |v, _| v));
    let mapped = joined.map_values(|v| v).flat_map_values(|v| [v]).map(|k, v| (k, v)).flat_map(|k, v| [(k, v)]);
    let mut split = mapped.split();
    split.branch(|_, v| v.len() < 3).to(&topic("short"));
    split.branch(|_, v| v.len() < 9).to_partition(&topic("middle"), |_, _, partitions| partitions - 1);
    split.otherwise().to_chosen(Utf8, Utf8, |_, v: Option<&String>| v.cloned().unwrap_or_default());
    let grouped = mapped.group_by(topic("by-value"), |_, v| v.clone());
    grouped.count(counts("counts")).to_stream().to(&Topic::<_, i64>::new("counts", Utf8, Be64));
    grouped.reduce(store("longest"), |a, b| if b.len() > a.len() { b } else { a.clone() });
    let windows = TimeWindows::tumbling(MINUTE).grace(5 * SECOND);
    grouped.windowed_by(windows).count(counts("counts-by-minute"));
    mapped.repartition(topic("again")).group_by_key().aggregate(
        counts("lengths"),
        || 0,
        |_, v, length| *length += v.len() as i64,
    );
}

/// Windows, joins of streams, and when results are told.
pub(crate) fn windows(b: &TopologyBuilder) {
    let (left, right) = (b.stream(&topic("left")), b.stream(&topic("right")));
    let grouped = left.group_by_key();
    let hopping = grouped.windowed_by(TimeWindows::hopping(MINUTE, SECOND));
    hopping.count(counts("hopping"));
    hopping.late().to(&topic("too-late"));
    let sliding = grouped.windowed_by(SlidingWindows::of(MINUTE)).emit(Emit::OnWindowClose);
    sliding.reduce(store("sliding"), |_, last| last);
    let sessions = grouped.windowed_by(SessionWindows::inactivity_gap(MINUTE));
    sessions
        .aggregate(counts("sessions"), || 0, |_, _, count| *count += 1, |_, count, more| *count += more)
        .suppress(
            Suppressed::until_window_closes(Bound::unbounded()),
            Store::new("held-sessions", SessionWindowed(Utf8), Be64),
        )
        .to_stream()
        .to(&Topic::<_, i64>::new("sessions", SessionWindowed(Utf8), Be64));
    grouped
        .emit(Emit::OnCommit)
        .count(counts("rarely"))
        .suppress(Suppressed::until_time_limit(SECOND, Bound::records(9).emit_early()), counts("held"));
    let both = left.group_by_key().cogroup(|_, _, count: &mut i64| *count += 1);
    let both = both.cogroup(&right.group_by_key(), |_, _, count| *count -= 1);
    both.windowed_by(TimeWindows::tumbling(MINUTE)).aggregate(counts("cogrouped-by-minute"), || 0);

    let within = JoinWindows::of_time_difference(MINUTE).grace(SECOND);
    let stores = |name: &str| JoinStores::<String, String, String>::new(name.to_owned(), Utf8, Utf8, Utf8);
    let joined = left.join_windowed(&right, within, stores("pairs"), |a, b| format!("{a}{b}"));
    joined.to(&topic("pairs"));
    joined.late().merge(&joined.other_late()).to(&topic("late"));
    left.left_join_windowed(&right, within, stores("lefts"), |a, _| a.clone());
    left.outer_join_windowed(&right, within, stores("all"), |a, b| a.or(b).cloned().unwrap_or_default());
}

/// Tables: where they come from, what is made of them, joins, and aggregates of them.
pub(crate) fn tables(b: &TopologyBuilder) {
    let people = b.table(&topic("people"), store("people").version(2));
    let compacted = b.table_from_changelog(&topic("compacted"), "compacted");
    let versioned = b.versioned_table(&topic("prices"), store("prices"), MINUTE);
    let kept = b.stream(&topic("facts")).to_table(store("facts").time_to_live(MINUTE));
    let world = b.global_table(&topic("world"), "world");

    let some = people.filter(|_, v| !v.is_empty()).filter_not(|k, _| k.is_empty());
    let lengths = some.map_values(|v| v.len() as i64).map_values_with_key(|_, n| n + 1);
    lengths.materialize(counts("name-lengths").without_changelog()).to_stream();
    people.join(&compacted, |a, _| a.clone()).to_stream();
    people.left_join(&compacted, |a, _| a.clone()).to_stream();
    let outer = people.outer_join(&kept, |a, b| a.or(b).cloned().unwrap_or_default());
    outer.with_serdes(Utf8, Utf8).join_foreign("city", &people, |v| Some(v.clone()), |a, b| format!("{a}{b}"));
    people.left_join_foreign("land", &compacted, |v| Some(v.clone()), |a, _| a.clone()).materialize(store("lands"));

    let again = people.group_by(topic("people-by-name"), |k, v| (v.clone(), k.clone()));
    again.count(counts("people-counts"));
    again.reduce(store("people-reduced"), |_, new| new, |old, _| old.clone());
    again.aggregate(counts("people-aggregated"), || 0, |_, _, n| *n += 1, |_, _, n| *n -= 1);
    again.count_distinct(counts("different-people"), Utf8, |_, v| v.clone());
    again.top_k(Store::new("first-people", Utf8, Json), 3, |v| v.clone());

    let events = b.stream(&topic("events"));
    let priced = events.join(&versioned, |v, _| v).join_global(&world, |k, _| k.clone(), |v, _| v);
    priced.left_join_global(&world, |k, _| k.clone(), |v, _| v).to(&topic("priced"));
    let facts = b.stream(&topic("more-facts")).group_by_key();
    events
        .group_by_key()
        .cogroup(|_, _, count: &mut i64| *count += 1)
        .cogroup(&facts, |_, _, count| *count += 1)
        .aggregate(counts("cogrouped"), || 0);
}

/// Passes records on.
pub(crate) struct Pass;

impl Processor for Pass {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        context.forward(record)
    }
}

impl TimerProcessor for Pass {
    type TimerKey = String;

    fn on_timer(
        &self,
        _: &mut ProcessorContext<'_, '_, String, String>,
        _: Timer<String>,
        _: Timestamp,
    ) -> Result<(), ProcessError> {
        Ok(())
    }
}

/// Processors and their stores, timers, asynchronous calls, and ways to spread records over tasks.
pub(crate) fn processors(b: &TopologyBuilder) {
    let by_key = b.store(store("by-key"));
    let ordered = b.ordered_store(store("ordered").without_changelog());
    let versions = b.versioned_store(store("versions"), MINUTE);
    let windows = b.window_store(store("windows"), SECOND, MINUTE);
    let sessions = b.session_store(store("sessions"), MINUTE);
    let timers = b.timers("reminders", Utf8, PunctuationType::StreamTime);
    let input = b.stream(&topic("input").watermark(Watermark::bounded_out_of_orderness(SECOND)));
    let once = input.deduplicate(store_of_times("seen"), |_, v| v.clone(), MINUTE);
    let processed = once
        .process("enrich", Pass, &[&by_key, &ordered, &versions, &windows, &sessions])
        .process_with_timers("remind", Pass, &timers, &[&by_key]);
    once.group_by_key().count_distinct(counts("visitors"), Utf8, |_, v| v.clone());

    let options = AsyncOptions::new(8);
    processed
        .map_async("look-up", options, |_, v| async { Ok::<String, Infallible>(v) })
        .flat_map_async("fan-out", options, |k, v| async { Ok::<[(String, String); 1], Infallible>([(k, v)]) })
        .process_async("ask", options, |record| async { Ok::<[Record<String, String>; 1], Infallible>([record]) })
        .to(&topic("answers"));

    once.shuffle(topic("even"));
    once.broadcast(topic("to-all"));
    once.global(topic("whole")).group_by_key().count(counts("whole-count"));
    once.direct(topic("chosen"), |_, _, _| 0);
    once.repartition_by(topic("ranges"), |_, partitions| partitions - 1).group_by_key().count(counts("range-counts"));
    once.partial_key(topic("skewed")).count().merge(
        Topic::new("skewed-parts", Utf8, Be64),
        counts("skewed-counts"),
        |a, b| a + b,
    );
}

fn store_of_times(name: &str) -> Store<String, Timestamp> {
    Store::new(name.to_owned(), Utf8, Be64)
}
