//! Keyed increments: joined with a table, counted by key, and counted again by another key.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::RecordWriter;
use millstream::prelude::*;
use millstream::topology::Define;
use serde::{Deserialize, Serialize};

/// How many partitions each topic has.
pub const PARTITIONS: i32 = 12;
/// How many keys there are.
pub const KEYS: u64 = 1_000;
/// How many keys the second count has.
pub const BUCKETS: u64 = 97;

/// A key's count, with the number of the increment that it was last counted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many increments were counted.
    pub count: i64,
    /// The number of the last one: the first of a key is 1.
    pub number: i64,
    /// The key's name in the table.
    pub name: Option<String>,
}

/// The workload's topics, whose names all begin with this, so that several can be on one broker.
#[derive(Clone, Debug)]
pub struct Workload(pub String);

impl Workload {
    fn topic<K, V>(&self, name: &str, key: impl Serde<K>, value: impl Serde<V>) -> Topic<K, V> {
        Topic::new(format!("{}-{name}", self.0), key, value)
    }

    /// The input: for each key increments, numbered from 1.
    pub fn increments(&self) -> Topic<u64, i64> {
        self.topic("increments", Be64, Be64)
    }

    /// The table: each key's name.
    pub fn names(&self) -> Topic<u64, String> {
        self.topic("names", Be64, Utf8)
    }

    /// The output: each update of each key's count.
    pub fn counts(&self) -> Topic<u64, Counted> {
        self.topic("counts", Be64, Json)
    }

    /// The second output: how many updates of counts each bucket of keys had.
    pub fn bucket_counts(&self) -> Topic<u64, i64> {
        self.topic("bucket-counts", Be64, Be64)
    }

    /// The topology: a table, a join, a count, a repartition topic, and a second count.
    pub fn define(&self) -> Define {
        let workload = self.clone();
        Arc::new(move |b| workload.topology(b))
    }

    fn topology(&self, b: &TopologyBuilder) {
        let names = b.table(&self.names(), Store::new("names", Be64, Utf8));
        let counted = b
            .stream(&self.increments())
            .left_join(&names, |number, name| (number, name.cloned()))
            .group_by_key()
            .aggregate(Store::new("counts", Be64, Json), Counted::default, |_, (number, name), counted| {
                *counted = Counted { count: counted.count + 1, number, name };
            })
            .to_stream()
            .flat_map_values(|counted| counted);
        counted.to(&self.counts());
        counted
            .group_by(Topic::new("by-bucket", Be64, Json), |key, _| bucket_of(*key))
            .count(Store::new("buckets", Be64, Be64))
            .to_stream()
            .to(&self.bucket_counts());
    }

    /// Creates the topics, and writes the table.
    pub fn prepare(&self, broker: &dyn Broker) -> Result<()> {
        let (increments, names, counts, buckets) =
            (self.increments(), self.names(), self.counts(), self.bucket_counts());
        let topics: Vec<NewTopic> = [increments.name(), names.name(), counts.name(), buckets.name()]
            .map(|name| NewTopic {
                name: name.to_owned(),
                partitions: PARTITIONS,
                replication_factor: None,
                cleanup_policy: CleanupPolicy::Delete,
                config: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
            })
            .into();
        broker.create(&topics)?;
        let mut writer = RecordWriter::new(broker)?;
        for key in 0..KEYS {
            writer.send(&names, &Record::new(key, Some(name_of(key)), 0))?;
        }
        Ok(writer.flush()?)
    }
}

/// The bucket that a key is counted in.
pub fn bucket_of(key: u64) -> u64 {
    key % BUCKETS
}

/// A key's name in the table.
pub fn name_of(key: u64) -> String {
    format!("key {key}")
}

/// Writes increments, in turn for all keys.
pub struct Load {
    writer: RecordWriter,
    topic: Topic<u64, i64>,
    written: u64,
}

impl Load {
    /// A load of nothing yet.
    pub fn new(broker: &dyn Broker, workload: &Workload) -> Result<Self> {
        Ok(Load { writer: RecordWriter::new(broker)?, topic: workload.increments(), written: 0 })
    }

    /// How many records it has written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes records until there are `total`.
    pub fn write_until(&mut self, total: u64) -> Result<()> {
        while self.written < total {
            let (key, number) = (self.written % KEYS, self.written / KEYS + 1);
            let record = Record::new(key, Some(number as i64), 1 + self.written as i64);
            self.writer.send(&self.topic, &record)?;
            self.written += 1;
        }
        Ok(self.writer.flush()?)
    }
}
