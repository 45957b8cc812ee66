use super::TopologyBuilder;
use crate::processor::{Context, ProcessError, Tee};
use crate::record::Record;
use crate::topology::{NodeId, NodeKind};

/// An endless stream of records, each on its own.
///
/// Operators do not reorder: what is older by its timestamp but later in its partition stays later. A stream can be
/// used several times; each use gets every record.
pub struct Stream<K, V> {
    pub(super) builder: TopologyBuilder,
    pub(super) node: NodeId,
    pub(super) children: Tee<K, V>,
    /// Whether the key may be another than the one that chose the partition.
    pub(super) key_changed: bool,
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    pub(super) fn new(builder: &TopologyBuilder, node: NodeId, key_changed: bool) -> Self {
        Stream { builder: builder.clone(), node, children: Tee::default(), key_changed }
    }

    /// Adds a node that takes this stream's records, and gives the stream of what it pushes.
    pub(super) fn then<L: Clone + 'static, W: Clone + 'static>(
        &self,
        operator: &'static str,
        key_changed: bool,
        push: impl Fn(&mut Context<'_>, Record<K, V>, &Tee<L, W>) -> Result<(), ProcessError> + 'static,
    ) -> Stream<L, W> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor(operator), &[self.node]);
        let stream = Stream::new(&self.builder, node, self.key_changed || key_changed);
        let children = stream.children.clone();
        self.children.add(node.0, move |context, record| push(context, record, &children));
        stream
    }

    /// Keeps the records for which `predicate` holds, each judged by itself: null keys and values as the topic's serdes read
    /// them, late and repeated records as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).filter(|_, v: &i64| *v > 1).to(&o));
    /// for value in [1, 2, 3] {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// assert_eq!(driver.values(&output), [2, 3]);
    /// ```
    pub fn filter(&self, predicate: impl Fn(&K, &V) -> bool + 'static) -> Stream<K, V> {
        self.then("filter", false, move |context, record, children| {
            if predicate(&record.key, &record.value) { children.push(context, record) } else { Ok(()) }
        })
    }

    /// Drops the records for which `predicate` holds; as [`Stream::filter`] in all else.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).filter_not(|_, v: &i64| *v > 1).to(&o));
    /// for value in [1, 2, 3] {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// assert_eq!(driver.values(&output), [1]);
    /// ```
    pub fn filter_not(&self, predicate: impl Fn(&K, &V) -> bool + 'static) -> Stream<K, V> {
        self.then("filter-not", false, move |context, record, children| {
            if predicate(&record.key, &record.value) { Ok(()) } else { children.push(context, record) }
        })
    }

    /// Makes another key and value of each record, in the order they come, null or repeated ones as any other; the timestamp
    /// stays. A grouping or join after it needs a repartition topic.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::new("out", Be64, Utf8));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).map(|k, v: i64| (v, k)).to(&o));
    /// driver.pipe(&input, "a".to_string(), 1, 0);
    /// assert_eq!(driver.entries(&output), [(1, Some("a".to_string()))]);
    /// ```
    pub fn map<L: Clone + 'static, W: Clone + 'static>(&self, f: impl Fn(K, V) -> (L, W) + 'static) -> Stream<L, W> {
        self.then("map", true, move |context, record, children| {
            let (key, value) = f(record.key, record.value);
            children.push(context, Record { key, value, timestamp: record.timestamp, headers: record.headers })
        })
    }

    /// Makes another value of each record, in the order they come; key (also none) and timestamp stay. A null value comes to
    /// `f` as the topic's serde reads it: `None` with [`Nullable`](crate::serde::Nullable).
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).map_values(|v: i64| v * 10).to(&o));
    /// driver.pipe(&input, (), 4, 0);
    /// assert_eq!(driver.values(&output), [40]);
    /// ```
    pub fn map_values<W: Clone + 'static>(&self, f: impl Fn(V) -> W + 'static) -> Stream<K, W> {
        self.then("map-values", false, move |context, record, children| {
            let Record { key, value, timestamp, headers } = record;
            children.push(context, Record { key, value: f(value), timestamp, headers })
        })
    }

    /// Makes any number of records, with their keys, of each one, in the order they come; they have its timestamp and headers.
    /// Null keys and values, late and repeated records are as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).flat_map(|k, v: i64| (0..v).map(move |n| (format!("{k}{n}"), n))).to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 2, 0);
    /// assert_eq!(driver.entries(&output), [("a0".to_string(), Some(0)), ("a1".to_string(), Some(1))]);
    /// ```
    pub fn flat_map<L: Clone + 'static, W: Clone + 'static, I>(&self, f: impl Fn(K, V) -> I + 'static) -> Stream<L, W>
    where
        I: IntoIterator<Item = (L, W)>,
    {
        self.then("flat-map", true, move |context, record, children| {
            let Record { key, value, timestamp, headers } = record;
            for (key, value) in f(key, value) {
                children.push(context, Record { key, value, timestamp, headers: headers.clone() })?;
            }
            Ok(())
        })
    }

    /// Makes any number of values of each one, in the order they come; they have its key (also none), timestamp and headers.
    /// Null values, late and repeated records are as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Unit, Utf8), Topic::new("out", Unit, Utf8));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i).flat_map_values(|v| v.split(' ').map(str::to_owned).collect::<Vec<_>>()).to(&o)
    /// });
    /// driver.pipe(&input, (), "a b".to_string(), 0);
    /// assert_eq!(driver.values(&output), ["a", "b"]);
    /// ```
    pub fn flat_map_values<W: Clone + 'static, I>(&self, f: impl Fn(V) -> I + 'static) -> Stream<K, W>
    where
        I: IntoIterator<Item = W>,
    {
        self.then("flat-map-values", false, move |context, record, children| {
            let Record { key, value, timestamp, headers } = record;
            for value in f(value) {
                children.push(context, Record { key: key.clone(), value, timestamp, headers: headers.clone() })?;
            }
            Ok(())
        })
    }

    /// Shows each record, null, late or repeated ones as any other, to `look` and passes it on (Kafka Streams' `peek`). After
    /// an abort records are shown again.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| b.stream(&i).inspect(|_, v| println!("{v}")).to(&o));
    /// driver.pipe(&input, (), 4, 0);
    /// assert_eq!(driver.values(&output), [4]);
    /// ```
    pub fn inspect(&self, look: impl Fn(&K, &V) + 'static) -> Stream<K, V> {
        self.then("inspect", false, move |context, record, children| {
            look(&record.key, &record.value);
            children.push(context, record)
        })
    }

    /// The records of both streams, null, late and repeated ones as any other. Records of one stream keep their order; between
    /// the two there is none, but that a task with several inputs takes the record with the smallest timestamp first.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Unit, Be64), Topic::<_, i64>::new("out", Unit, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let all = b.stream(&i);
    ///     all.filter(|_, v| *v < 0).merge(&all.filter(|_, v| *v > 9)).to(&o)
    /// });
    /// for value in [-1, 5, 10] {
    ///     driver.pipe(&input, (), value, 0);
    /// }
    /// assert_eq!(driver.values(&output), [-1, 10]);
    /// ```
    pub fn merge(&self, other: &Stream<K, V>) -> Stream<K, V> {
        let node = self.builder.graph.borrow_mut().node(NodeKind::Processor("merge"), &[self.node, other.node]);
        let merged = Stream::new(&self.builder, node, self.key_changed || other.key_changed);
        for parent in [self, other] {
            let children = merged.children.clone();
            parent.children.add(node.0, move |context, record| children.push(context, record));
        }
        merged
    }
}
