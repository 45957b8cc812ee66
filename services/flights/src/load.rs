//! The service's input: creates its topics, and writes the flights and airports that come with it.

use std::collections::BTreeMap;
use std::error::Error;

use chrono::NaiveDateTime;
use indicatif::{ProgressBar, ProgressStyle};
use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::RecordWriter;
use millstream::record::{Record, Timestamp};
use millstream_formats::Formats;

use crate::model::{Airport, Flight};
use crate::model::{airports, delays_by_hour, flights, worst_airports};

/// The flights of `data/`, a JSON list.
pub(crate) const FLIGHTS: &str = include_str!("../data/flights-20k.json");
/// The airports of `data/`, CSV with a header.
const AIRPORTS: &str = include_str!("../data/airports.csv");

const PARTITIONS: i32 = 6;

/// Creates the topics that are missing, and writes all airports, then all flights, showing how far it is.
pub(crate) fn load(broker: &dyn Broker, formats: &Formats) -> Result<(), Box<dyn Error + Send + Sync>> {
    create_topics(broker, formats)?;
    let (airports, flights) = (airports(formats), flights(formats));
    let mut writer = RecordWriter::new(broker)?;
    let flights_read: Vec<Flight> = serde_json::from_str(FLIGHTS)?;
    // All airports come before the first flight, by time as well.
    let first = flights_read.first().map_or(Ok(0), |flight| time_of(&flight.date))?;
    for row in airports_read() {
        let (iata, airport) = row?;
        writer.send(&airports, &Record::new(iata, Some(airport), first))?;
    }
    let bar = ProgressBar::new(flights_read.len() as u64);
    bar.set_style(ProgressStyle::with_template("flights {wide_bar} {human_pos}/{human_len}")?);
    for flight in flights_read {
        let time = time_of(&flight.date)?;
        writer.send(&flights, &Record::new(flight.origin.clone(), Some(flight), time))?;
        bar.inc(1);
    }
    writer.flush()?;
    bar.finish();
    Ok(())
}

/// Airports by their codes.
pub(crate) fn airports_read() -> impl Iterator<Item = Result<(String, Airport), csv::Error>> {
    let reader = csv::Reader::from_reader(AIRPORTS.as_bytes());
    reader.into_deserialize::<BTreeMap<String, String>>().map(|row| {
        let mut row = row?;
        let mut column = |name: &str| row.remove(name).unwrap_or_default();
        let iata = column("iata");
        Ok((iata, Airport { name: column("name").into(), city: column("city").into(), state: column("state").into() }))
    })
}

/// A flight's event time in ms: its local time of departure, read as UTC.
pub(crate) fn time_of(date: &str) -> Result<Timestamp, chrono::ParseError> {
    let local = NaiveDateTime::parse_from_str(date, "%Y/%m/%d %H:%M")?;
    Ok(local.and_utc().timestamp_millis())
}

fn create_topics(broker: &dyn Broker, formats: &Formats) -> Result<(), Box<dyn Error + Send + Sync>> {
    // Kafka counts a record's age from its own time, which here is in 2001.
    let for_ever = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let topic = |name: &str, cleanup_policy, config| NewTopic {
        name: name.to_owned(),
        partitions: PARTITIONS,
        replication_factor: None,
        cleanup_policy,
        config,
    };
    broker.create(&[
        topic(airports(formats).name(), CleanupPolicy::Compact, BTreeMap::new()),
        topic(flights(formats).name(), CleanupPolicy::Delete, for_ever.clone()),
        topic(delays_by_hour(formats).name(), CleanupPolicy::Delete, for_ever.clone()),
        topic(worst_airports(formats).name(), CleanupPolicy::Delete, for_ever),
    ])?;
    Ok(())
}
