//! Topics: a name with the serdes of its keys and values, declared once.

use std::sync::Arc;

use crate::record::Timestamp;
use crate::serde::Serde;
use crate::time::Watermark;

/// A topic's name, and how its keys and values are written.
pub struct Topic<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) key: Arc<dyn Serde<K>>,
    pub(crate) value: Arc<dyn Serde<V>>,
    pub(crate) timestamp: Option<Arc<TimestampExtractor<K, V>>>,
    pub(crate) watermark: Option<Watermark<K, V>>,
    /// How many partitions it gets where a topology makes it.
    pub(crate) partitions: Option<i32>,
}

/// Reads a record's event time (ms) out of its key and value; the third is what Kafka says.
pub(crate) type TimestampExtractor<K, V> = dyn Fn(&K, &V, Timestamp) -> Timestamp + Send + Sync;

impl<K, V> Topic<K, V> {
    /// The topic `name`, its keys written by `key` and its values by `value`.
    pub fn new(name: impl Into<Arc<str>>, key: impl Serde<K>, value: impl Serde<V>) -> Self {
        let (key, value) = (Arc::new(key), Arc::new(value));
        Topic { name: name.into(), key, value, timestamp: None, watermark: None, partitions: None }
    }

    /// The same topic, whose records' event times (ms) are read out of key and value; the third that `extractor` gets is
    /// Kafka's timestamp. A record with a null value, where the topic is read as a table, keeps Kafka's. A task with several
    /// inputs reads such records twice, as it must know their times to choose among them.
    pub fn timestamp_extractor(
        mut self,
        extractor: impl Fn(&K, &V, Timestamp) -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        self.timestamp = Some(Arc::new(extractor));
        self
    }

    /// The same topic, read with another promise about what is still to come than [`Watermark::monotonic`].
    pub fn watermark(mut self, watermark: Watermark<K, V>) -> Self {
        self.watermark = Some(watermark);
        self
    }

    /// The same topic, with that many partitions (at least 1) where it is a repartition topic, which a topology makes itself:
    /// else it gets as many as the largest of its inputs has. Other topics are as their users make them.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let input = Topic::<(), i64>::new("in", Unit, Be64);
    /// # let i = input.clone();
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let by_value = Topic::new("by-value", Be64, Be64).partitions(12);
    ///     b.stream(&i).group_by(by_value, |_, v| *v).count(Store::new("counts", Be64, Be64));
    /// });
    /// driver.pipe(&input, (), 4, 0);
    /// let repartition = Topic::<i64, i64>::new("test-by-value-repartition", Be64, Be64);
    /// assert_eq!(driver.records_by_partition(&repartition).len(), 12);
    /// ```
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its keys are written.
    pub fn key_serde(&self) -> &dyn Serde<K> {
        &*self.key
    }

    /// How its values are written.
    pub fn value_serde(&self) -> &dyn Serde<V> {
        &*self.value
    }
}

impl<K, V> Clone for Topic<K, V> {
    fn clone(&self) -> Self {
        Topic {
            name: self.name.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            timestamp: self.timestamp.clone(),
            watermark: self.watermark.clone(),
            partitions: self.partitions,
        }
    }
}
