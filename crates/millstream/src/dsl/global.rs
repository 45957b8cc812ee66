use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::{Stream, TopologyBuilder};
use crate::processor::Tee;
use crate::record::Record;
use crate::state::GlobalRows;
use crate::topic::Topic;

/// A table that every task sees as a whole, whatever its partition: joined by any key, and without co-partitioning.
pub struct GlobalTable<K, V> {
    rows: Option<Rc<GlobalRows<K, V>>>,
    /// Its place in the topology.
    number: usize,
}

impl TopologyBuilder {
    /// A table of all partitions of a topic: for what is small and joined by keys that are not the stream's.
    ///
    /// Every worker holds the whole table, so memory grows with the workers. It is read outside of the consumer group,
    /// from the beginning; no task that uses it runs before it was read to its end. There is no changelog: the topic is
    /// it, and should be compacted. While tasks run it is kept up to date between batches of records: not in the order of
    /// timestamps, and not as part of a transaction, so after an abort a record may be joined with a newer row. A null
    /// value deletes its key, a record without key is skipped, and of the records of a key the last in its partition wins. `name`
    /// is the table's among the stores.
    ///
    /// ```
    /// use millstream::prelude::*;
    /// use millstream_test::TopologyTestDriver;
    ///
    /// let (rates, prices) = (Topic::<_, i64>::new("rates", Utf8, Be64), Topic::<_, i64>::new("prices", Utf8, Be64));
    /// let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// let (r, p, o) = (rates.clone(), prices.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::with_partitions(3, move |b| {
    ///     let rates = b.global_table(&r, "rates");
    ///     b.stream(&p).join_global(&rates, |_, _| "EUR".to_string(), |price, rate| price * rate).to(&o)
    /// });
    /// driver.pipe(&rates, "EUR".to_string(), 2, 0);
    /// for product in ["tea", "rum", "pie"] {
    ///     driver.pipe(&prices, product.to_string(), 5, 1);
    /// }
    /// assert_eq!(driver.values(&output), [10, 10, 10]);
    /// ```
    pub fn global_table<K, V>(&self, topic: &Topic<K, V>, name: impl Into<Arc<str>>) -> GlobalTable<K, V>
    where
        K: Hash + Eq + Clone + 'static,
        V: Clone + 'static,
    {
        let name = name.into();
        let mut graph = self.graph.borrow_mut();
        let number = graph.global(&name, &topic.name);
        let rows = graph.global_stores.rows(&name, topic);
        GlobalTable { rows, number }
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Joins each record with the global table's value of the key that `key` chooses, as it is when the record is
    /// processed; a record for which there is none, or whose key is `None`, is dropped. Changes of the table yield nothing.
    /// The record keeps its own key and timestamp. Its own key and value may be null; an older record and a repeated one are
    /// joined as any other.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (names, sales) = (Topic::new("names", Be64, Utf8), Topic::new("sales", Unit, Json));
    /// # let output = Topic::new("out", Unit, Utf8);
    /// # let (n, s, o) = (names.clone(), sales.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let names = b.global_table(&n, "names");
    ///     b.stream(&s).join_global(&names, |_, customer: &Option<i64>| *customer, |_, name| name.clone()).to(&o)
    /// });
    /// driver.pipe(&names, 1, "Ann".to_string(), 0);
    /// for customer in [Some(1), Some(2), None] {
    ///     driver.pipe(&sales, (), customer, 0);
    /// }
    /// assert_eq!(driver.values(&output), ["Ann"]);
    /// ```
    pub fn join_global<G, T, W, M>(
        &self,
        table: &GlobalTable<G, T>,
        key: impl Fn(&K, &V) -> M + 'static,
        joiner: impl Fn(V, &T) -> W + 'static,
    ) -> Stream<K, W>
    where
        G: Hash + Eq + 'static,
        T: 'static,
        W: Clone + 'static,
        M: Into<Option<G>>,
    {
        self.join_global_rows("join-global", table, key, move |value, row| row.map(|row| joiner(value, row)))
    }

    /// As [`Stream::join_global`], but a record for which there is no value, or whose key is `None`, is joined with `None`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (names, sales) = (Topic::new("names", Be64, Utf8), Topic::new("sales", Unit, Json));
    /// # let output = Topic::new("out", Unit, Utf8);
    /// # let (n, s, o) = (names.clone(), sales.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let names = b.global_table(&n, "names");
    ///     b.stream(&s)
    ///         .left_join_global(&names, |_, customer: &Option<i64>| *customer, |_, name: Option<&String>| format!("{name:?}"))
    ///         .to(&o)
    /// });
    /// driver.pipe(&names, 1, "Ann".to_string(), 0);
    /// for customer in [Some(1), Some(2), None] {
    ///     driver.pipe(&sales, (), customer, 0);
    /// }
    /// assert_eq!(driver.values(&output), [r#"Some("Ann")"#, "None", "None"]);
    /// ```
    pub fn left_join_global<G, T, W, M>(
        &self,
        table: &GlobalTable<G, T>,
        key: impl Fn(&K, &V) -> M + 'static,
        joiner: impl Fn(V, Option<&T>) -> W + 'static,
    ) -> Stream<K, W>
    where
        G: Hash + Eq + 'static,
        T: 'static,
        W: Clone + 'static,
        M: Into<Option<G>>,
    {
        self.join_global_rows("left-join-global", table, key, move |value, row| Some(joiner(value, row)))
    }

    fn join_global_rows<G, T, W, M>(
        &self,
        operator: &'static str,
        table: &GlobalTable<G, T>,
        key: impl Fn(&K, &V) -> M + 'static,
        joiner: impl Fn(V, Option<&T>) -> Option<W> + 'static,
    ) -> Stream<K, W>
    where
        G: Hash + Eq + 'static,
        T: 'static,
        W: Clone + 'static,
        M: Into<Option<G>>,
    {
        let rows = table.rows.clone();
        let joined = self.then(operator, false, move |context, record, children: &Tee<K, W>| {
            let Record { key: own, value, timestamp, headers } = record;
            let key = key(&own, &value).into();
            let joined = match rows.as_ref().zip(key.as_ref()) {
                Some((rows, key)) => rows.with(key, |row| joiner(value, row)),
                None => joiner(value, None),
            };
            match joined {
                Some(value) => children.push(context, Record { key: own, value, timestamp, headers }),
                None => Ok(()),
            }
        });
        self.builder.graph.borrow_mut().globals[table.number].nodes.push(joined.node);
        joined
    }
}
