//! What flows through the service, and the topics that it flows on.

use std::sync::Arc;

use apache_avro::AvroSchema;
use apache_avro::schema::Schema;
use millstream::prelude::*;
use millstream_formats::Formats;
use serde::{Deserialize, Serialize};

/// A flight, as the data has it; keyed by its origin.
#[derive(Clone, Debug, Serialize, Deserialize, AvroSchema)]
pub(crate) struct Flight {
    /// Local time of departure: `2001/01/31 06:30`.
    pub(crate) date: String,
    /// Minutes late; negative when early.
    pub(crate) delay: i64,
    /// Miles.
    pub(crate) distance: i64,
    /// The code of the airport that it leaves.
    pub(crate) origin: String,
    /// The code of the airport that it flies to.
    pub(crate) destination: String,
}

/// An airport; keyed by its code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Airport {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The city that it serves.
    pub(crate) city: Arc<str>,
    /// The state, as two letters.
    pub(crate) state: Arc<str>,
}

/// By hand, as the derive knows no `Arc<str>`.
impl AvroSchema for Airport {
    fn get_schema() -> Schema {
        let text = r#"{"type": "record", "name": "Airport", "fields": [
            {"name": "name", "type": "string"}, {"name": "city", "type": "string"}, {"name": "state", "type": "string"}]}"#;
        Schema::parse_str(text).expect("it is a schema, which a test reads")
    }
}

/// The delays of the flights that left one airport in some time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, AvroSchema)]
pub(crate) struct Delays {
    /// The airport's name and city.
    pub(crate) airport: String,
    /// How many flights.
    pub(crate) flights: i64,
    /// Their delays added up, in minutes.
    pub(crate) total_minutes: i64,
    /// The average of their delays, in minutes.
    pub(crate) average_minutes: f64,
    /// The largest of their delays, in minutes.
    pub(crate) max_minutes: i64,
}

/// An airport's delays of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, AvroSchema)]
pub(crate) struct Ranked {
    /// The airport's code.
    pub(crate) iata: String,
    /// Its delays.
    #[serde(flatten)]
    pub(crate) delays: Delays,
}

/// One hour and one day, in ms.
pub(crate) const HOUR_MS: i64 = 60 * 60 * 1000;
/// See [`HOUR_MS`].
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

/// Flights, by origin.
pub(crate) fn flights(formats: &Formats) -> Topic<String, Flight> {
    Topic::new("flights", Utf8, formats.value("flights"))
}

/// Airports, by code.
pub(crate) fn airports(formats: &Formats) -> Topic<String, Airport> {
    Topic::new("airports", Utf8, formats.value("airports"))
}

/// For each airport and hour, its delays.
pub(crate) fn delays_by_hour(formats: &Formats) -> Topic<Windowed<String>, Delays> {
    Topic::new("delays-by-hour", TimeWindowed::new(Utf8, HOUR_MS), formats.value("delays-by-hour"))
}

/// For each day (`2001-01-31`), the airports with the largest average delay, the worst first.
pub(crate) fn worst_airports(formats: &Formats) -> Topic<String, Vec<Ranked>> {
    Topic::new("worst-airports", Utf8, formats.value("worst-airports"))
}
