use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use anyhow::Result;
use millstream::broker::Broker;
use millstream::client::read_all;
use millstream::record::Timestamp;
use millstream::topic::Topic;
use serde::Serialize;
use serde_json::Value;

use super::Results;

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a query writes, and the rows that it means.
pub(super) struct Output<K, V> {
    topic: Topic<K, V>,
    rows: Box<Rows<K, V>>,
    is_updated: bool,
}

/// The rows that a record means.
type Rows<K, V> = dyn Fn(&K, &V) -> Vec<String>;

impl<K, V> Output<K, V> {
    /// Each record stands for itself.
    pub(super) fn appended(topic: Topic<K, V>, rows: impl Fn(&K, &V) -> Vec<String> + 'static) -> Self {
        Output { topic, rows: Box::new(rows), is_updated: false }
    }

    /// The last record of each key counts, and none if it is a deletion.
    pub(super) fn updated(topic: Topic<K, V>, rows: impl Fn(&K, &V) -> Vec<String> + 'static) -> Self {
        Output { topic, rows: Box::new(rows), is_updated: true }
    }
}

impl<K: Hash + Eq + 'static, V: 'static> Results for Output<K, V> {
    fn topic(&self) -> String {
        self.topic.name().to_owned()
    }

    fn rows(&self, broker: &dyn Broker) -> Result<(usize, Vec<String>)> {
        let records = read_all(broker, &self.topic, PATIENCE)?;
        let count = records.len();
        let records = records.into_iter().map(|placed| (placed.record.key, placed.record.value));
        let of = |(key, value): (K, Option<V>)| value.map_or(Vec::new(), |value| (self.rows)(&key, &value));
        let rows = if self.is_updated {
            records.collect::<HashMap<_, _>>().into_iter().flat_map(of).collect()
        } else {
            records.flat_map(of).collect()
        };
        Ok((count, rows))
    }
}

/// A row: the columns as a JSON array, those of tuples within in their place.
pub(super) fn row(columns: impl Serialize) -> String {
    fn add(column: Value, row: &mut Vec<Value>) {
        match column {
            Value::Array(columns) => columns.into_iter().for_each(|column| add(column, row)),
            column => row.push(column),
        }
    }
    let mut row = Vec::new();
    // Numbers and texts can always be written.
    add(serde_json::to_value(columns).unwrap_or_default(), &mut row);
    Value::Array(row).to_string()
}

/// The day of that time, in UTC.
pub(super) fn day(time: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time).unwrap_or_default();
    time.format("%Y-%m-%d").to_string()
}
