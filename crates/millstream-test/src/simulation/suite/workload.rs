//! Events of some keys: joined with a table, counted by key, counted again by another key, and counted in windows.

use std::time::Duration;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

/// An event: its number among those of its key, from 1, and an amount.
pub(super) type Event = (i64, i64);

/// A key's count, with the number of the event that it was last counted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counted {
    pub(super) count: i64,
    pub(super) number: i64,
    pub(super) amount: i64,
    /// What the table said.
    pub(super) name: Option<String>,
}

/// What a seed's topology is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// A join with the table of names.
    pub(super) join: bool,
    /// Whether the table's topic is its changelog.
    pub(super) compacted: bool,
    /// Totals behind a repartition topic.
    pub(super) totals: bool,
    /// Windows by another key, behind a repartition topic.
    pub(super) windows: bool,
    /// Windows by the events' own key.
    pub(super) own_windows: bool,
}

pub(super) const WINDOW_MS: i64 = 50;
/// How far an event's time may be behind one before it, and so how long windows wait.
pub(super) const DISORDER_MS: i64 = 20;

pub(super) fn events() -> Topic<u64, Event> {
    Topic::new("events", Be64, Json)
}

pub(super) fn names() -> Topic<u64, String> {
    Topic::new("names", Be64, Utf8)
}

/// Each update of each key's count.
pub(super) fn counts() -> Topic<u64, Counted> {
    Topic::new("counts", Be64, Json)
}

/// The same once more.
pub(super) fn mirror() -> Topic<u64, Counted> {
    Topic::new("mirror", Be64, Json)
}

/// For each group of keys how many updates of counts it had, and the sum of their amounts.
pub(super) fn totals() -> Topic<u64, (i64, i64)> {
    Topic::new("totals", Be64, Json)
}

/// For each group how many events each window had.
pub(super) fn windows() -> Topic<Windowed<u64>, i64> {
    Topic::new("windows", TimeWindowed::new(Be64, WINDOW_MS), Be64)
}

/// For each key how many events each window had.
pub(super) fn own_windows() -> Topic<Windowed<u64>, i64> {
    Topic::new("own-windows", TimeWindowed::new(Be64, WINDOW_MS), Be64)
}

pub(super) fn group_of(key: u64) -> u64 {
    key % 3
}

fn tumbling() -> TimeWindows {
    TimeWindows::tumbling(Duration::from_millis(WINDOW_MS as u64)).grace(Duration::from_millis(DISORDER_MS as u64))
}

pub(super) fn define(b: &TopologyBuilder, shape: Shape) {
    // Of records with the same time that of the table goes first.
    let names = shape.join.then(|| match shape.compacted {
        true => b.table_from_changelog(&names(), "names"),
        false => b.table(&names(), Store::new("names", Be64, Utf8)),
    });
    let events = b.stream(&events());
    let named: Stream<u64, (Event, Option<String>)> = match &names {
        Some(names) => events.left_join(names, |event, name| (event, name.cloned())),
        None => events.map_values(|event| (event, None)),
    };
    let counted = named
        .group_by_key()
        .aggregate(Store::new("counts", Be64, Json), Counted::default, |_, ((number, amount), name), counted| {
            *counted = Counted { count: counted.count + 1, number, amount, name };
        })
        .to_stream()
        .flat_map_values(|counted| counted);
    counted.to(&counts());
    counted.to(&mirror());
    if shape.totals {
        counted
            .group_by(Topic::new("by-group", Be64, Json), |key, _| group_of(*key))
            .aggregate(
                Store::new("totals", Be64, Json),
                || (0, 0),
                |_, counted: Counted, total: &mut (i64, i64)| {
                    *total = (total.0 + 1, total.1 + counted.amount);
                },
            )
            .to_stream()
            .flat_map_values(|total| total)
            .to(&totals());
    }
    if shape.windows {
        events
            .group_by(Topic::new("windows-by-group", Be64, Json), |key, _| group_of(*key))
            .windowed_by(tumbling())
            .emit(Emit::OnWindowClose)
            .count(Store::new("windows", Be64, Be64))
            .to_stream()
            .flat_map_values(|count: Option<i64>| count)
            .to(&windows());
    }
    if shape.own_windows {
        events
            .group_by_key()
            .windowed_by(tumbling())
            .emit(Emit::OnWindowClose)
            .count(Store::new("own-windows", Be64, Be64))
            .to_stream()
            .flat_map_values(|count: Option<i64>| count)
            .to(&own_windows());
    }
}
