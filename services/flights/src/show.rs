//! The results as a table on the screen.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use millstream::broker::Broker;
use millstream::client::read_all;
use millstream::window::Windowed;
use millstream_formats::Formats;

use crate::model::{Delays, Ranked};
use crate::model::{delays_by_hour, worst_airports};
use crate::topology::FLIGHTS_MIN;

const PATIENCE: Duration = Duration::from_secs(60);
/// How many of the last days are shown, and how many airports of each.
const DAYS: usize = 3;
const AIRPORTS: usize = 5;
const HOURS: usize = 10;

/// The last value of each key on the result topics, as text.
pub(crate) fn table(broker: &dyn Broker, formats: &Formats) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut hours: BTreeMap<Windowed<String>, Delays> = BTreeMap::new();
    for read in read_all(broker, &delays_by_hour(formats), PATIENCE)? {
        hours.extend(read.record.value.map(|delays| (read.record.key, delays)));
    }
    let mut days: BTreeMap<String, Vec<Ranked>> = BTreeMap::new();
    for read in read_all(broker, &worst_airports(formats), PATIENCE)? {
        days.extend(read.record.value.map(|ranked| (read.record.key, ranked)));
    }
    let mut text = String::new();
    write_hours(&mut text, hours)?;
    write_days(&mut text, days)?;
    Ok(text)
}

fn write_hours(text: &mut String, hours: BTreeMap<Windowed<String>, Delays>) -> std::fmt::Result {
    let flights: i64 = hours.values().map(|delays| delays.flights).sum();
    writeln!(text, "\n{flights} flights in {} hours of airports. The busiest hours:\n", hours.len())?;
    writeln!(text, "{:<16}  {:<4}  {:>7}  {:>7}  {:>5}  airport", "hour", "code", "flights", "average", "max")?;
    let mut busiest: Vec<_> = hours.into_iter().collect();
    busiest.sort_by_key(|(at, delays)| (-delays.flights, at.window.start));
    for (at, delays) in busiest.iter().take(HOURS) {
        let hour = chrono::DateTime::from_timestamp_millis(at.window.start).unwrap_or_default();
        let hour = hour.format("%Y-%m-%d %H:%M");
        let Delays { airport, flights, average_minutes, max_minutes, .. } = delays;
        writeln!(text, "{hour}  {:<4}  {flights:>7}  {average_minutes:>7.1}  {max_minutes:>5}  {airport}", at.key)?;
    }
    Ok(())
}

fn write_days(text: &mut String, days: BTreeMap<String, Vec<Ranked>>) -> std::fmt::Result {
    writeln!(text, "\nThe worst airports of the last days, by average delay (from {FLIGHTS_MIN} flights on):\n")?;
    writeln!(text, "{:<16}  {:<4}  {:>7}  {:>7}  {:>5}  airport", "day", "code", "flights", "average", "max")?;
    for (day, ranked) in days.iter().rev().take(DAYS).rev() {
        for Ranked { iata, delays } in ranked.iter().take(AIRPORTS) {
            let Delays { airport, flights, average_minutes, max_minutes, .. } = delays;
            writeln!(text, "{day:<16}  {iata:<4}  {flights:>7}  {average_minutes:>7.1}  {max_minutes:>5}  {airport}")?;
        }
    }
    Ok(())
}
