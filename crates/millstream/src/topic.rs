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
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// // The value is when it happened, which need not be when it was written.
    /// let events = Topic::<_, i64>::new("events", Utf8, Be64).timestamp_extractor(|_, happened, _kafka| *happened);
    /// let counts = Topic::<_, i64>::new("counts", TimeWindowed::new(Utf8, 10), Be64);
    /// let (e, c) = (events.clone(), counts.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windows = TimeWindows::tumbling(Duration::from_millis(10));
    ///     b.stream(&e).group_by_key().windowed_by(windows).count(Store::new("c", Utf8, Be64)).to_stream().to(&c)
    /// });
    /// driver.pipe(&events, "a".to_string(), 25, 1_000);
    /// assert_eq!(driver.entries(&counts)[0].0.window.start, 20);
    /// ```
    pub fn timestamp_extractor(
        mut self,
        extractor: impl Fn(&K, &V, Timestamp) -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        self.timestamp = Some(Arc::new(extractor));
        self
    }

    /// The same topic, read with another promise about what is still to come than [`Watermark::monotonic`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let behind = Watermark::bounded_out_of_orderness(Duration::from_millis(5));
    /// let input = Topic::<_, i64>::new("input", Utf8, Be64).watermark(behind);
    /// let late = Topic::<_, i64>::new("late", Utf8, Be64);
    /// let (i, l) = (input.clone(), late.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let windowed = b.stream(&i).group_by_key().windowed_by(TimeWindows::tumbling(Duration::from_millis(10)));
    ///     windowed.count(Store::new("counts", Utf8, Be64));
    ///     windowed.late().to(&l)
    /// });
    /// for (value, timestamp) in [(1, 1), (2, 12), (3, 9), (4, 15), (5, 8)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// // At 12 the time was 7, at 15 it is 10, and the first window is over.
    /// assert_eq!(driver.values(&late), [5]);
    /// ```
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
