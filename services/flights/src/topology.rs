//! Flights, joined with their airports, by hour and by day.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream::prelude::*;
use millstream_formats::Formats;

use crate::model::{Airport, DAY_MS, Delays, Flight, HOUR_MS, Ranked};
use crate::model::{airports, delays_by_hour, flights, worst_airports};

/// An airport is ranked from this many flights of the day on.
pub(crate) const FLIGHTS_MIN: i64 = 5;
/// How many airports the list has.
const LIST_LEN: usize = 10;

/// The service's topology.
pub(crate) fn topology(b: &TopologyBuilder, formats: &Formats) {
    let airports = b.table(&airports(formats), Store::new("airports", Utf8, Json));
    let delays = b.stream(&flights(formats)).join(&airports, delay_at).group_by_key();

    delays
        .windowed_by(windows(HOUR_MS))
        .aggregate(Store::new("hourly-delays", Utf8, formats.stored("hourly-delays")), Delays::default, add)
        .to_stream()
        .to(&delays_by_hour(formats));

    delays
        .windowed_by(windows(DAY_MS))
        .aggregate(Store::new("daily-delays", Utf8, formats.stored("daily-delays")), Delays::default, add)
        .to_stream()
        .flat_map(|at, delays| delays.map(|delays| (day_of(&at), Ranked { iata: at.key, delays })))
        .group_by(Topic::new("by-day", Utf8, Json), |day, _| day.clone())
        .aggregate(Store::new("days", Utf8, Json), BTreeMap::new, |_, ranked: Ranked, day| {
            day.insert(ranked.iata, ranked.delays);
        })
        .to_stream()
        .map_values(|day| worst(day.unwrap_or_default()))
        .to(&worst_airports(formats));
}

/// A flight's delay, with the name of the airport that it left.
fn delay_at(flight: Flight, airport: &Airport) -> (String, i64) {
    (format!("{}, {}", airport.name, airport.city), flight.delay)
}

fn windows(size_ms: i64) -> TimeWindows {
    TimeWindows::tumbling(Duration::from_millis(size_ms as u64)).grace(Duration::from_hours(1))
}

fn add(_: &String, (airport, minutes): (String, i64), delays: &mut Delays) {
    delays.max_minutes = if delays.flights == 0 { minutes } else { delays.max_minutes.max(minutes) };
    delays.flights += 1;
    delays.total_minutes += minutes;
    delays.average_minutes = delays.total_minutes as f64 / delays.flights as f64;
    delays.airport = airport;
}

fn day_of(at: &Windowed<String>) -> String {
    let start = chrono::DateTime::from_timestamp_millis(at.window.start).unwrap_or_default();
    start.format("%Y-%m-%d").to_string()
}

fn worst(day: BTreeMap<String, Delays>) -> Vec<Ranked> {
    let ranked = day.into_iter().filter(|(_, delays)| delays.flights >= FLIGHTS_MIN);
    let mut ranked: Vec<Ranked> = ranked.map(|(iata, delays)| Ranked { iata, delays }).collect();
    ranked.sort_by(|a, b| b.delays.average_minutes.total_cmp(&a.delays.average_minutes));
    ranked.truncate(LIST_LEN);
    ranked
}
