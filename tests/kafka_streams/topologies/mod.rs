//! The twins: Millstream's topologies, by the names that they have in `java/`.

mod aggregations;
mod cogroups;
mod joins;
mod stateless;
mod table_joins;
mod tables;
mod versioned;
mod windows;
mod windows_again;

use millstream::prelude::*;

/// Null keys are read as `None`: what becomes of them is the topology's to say.
pub(crate) type Key = Option<String>;

/// A topology's name and what defines it.
pub(crate) type Twin = (&'static str, fn(&TopologyBuilder));

pub(crate) fn twins() -> impl Iterator<Item = Twin> {
    let all = [
        stateless::TWINS,
        aggregations::TWINS,
        windows::TWINS,
        windows_again::TWINS,
        cogroups::TWINS,
        tables::TWINS,
        versioned::TWINS,
        table_joins::TWINS,
        joins::TWINS,
    ];
    all.into_iter().flatten().copied()
}

/// A source that may hold null keys and values.
fn stream(b: &TopologyBuilder, topic: &'static str) -> Stream<Key, Option<String>> {
    b.stream(&Topic::new(topic, Nullable(Utf8), Nullable(Utf8)))
}

/// A source that drops null keys, as Kafka Streams does before it groups and joins.
fn keyed(b: &TopologyBuilder, topic: &'static str) -> Stream<Key, Option<String>> {
    stream(b, topic).filter(|key, _| key.is_some())
}

/// A source that drops null keys and values, as Kafka Streams does before it aggregates without windows.
fn complete(b: &TopologyBuilder, topic: &'static str) -> Stream<Key, String> {
    keyed(b, topic).flat_map_values(|value| value)
}

fn table(b: &TopologyBuilder, topic: &'static str) -> Table<Key, String> {
    b.table(&Topic::new(topic, Nullable(Utf8), Utf8), strings(&format!("{topic}-store")))
}

fn strings(name: &str) -> Store<Key, String> {
    Store::new(name.to_owned(), Nullable(Utf8), Utf8)
}

fn counts(name: &str) -> Store<Key, i64> {
    Store::new(name.to_owned(), Nullable(Utf8), Be64)
}

/// A sink of texts.
fn texts(name: &'static str) -> Topic<Key, String> {
    Topic::new(name, Nullable(Utf8), Utf8)
}

/// A sink of counts.
fn numbers(name: &'static str) -> Topic<Key, i64> {
    Topic::new(name, Nullable(Utf8), Be64)
}

/// A null as Java writes it into a text.
fn text(value: Option<&String>) -> &str {
    value.map_or("null", String::as_str)
}

fn length(value: Option<&String>) -> usize {
    value.map_or(0, String::len)
}

/// A value's first character; of a null or empty value "-".
fn first(value: Option<&String>) -> String {
    value.and_then(|value| value.get(..1)).unwrap_or("-").to_owned()
}
