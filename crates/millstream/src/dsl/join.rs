use std::hash::Hash;

use super::{Stream, Table};
use crate::processor::Tee;
use crate::record::Record;

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// Joins each record with the table's value of its key, as it is when the record is processed; a record without one
    /// is dropped; of a [versioned table](super::TopologyBuilder::versioned_table), its value as of the record's timestamp.
    /// Changes of the table yield nothing. Both topics must have the same partition count.
    ///
    /// What is in the table follows from the order of processing, not from timestamps, if it has no versions; an older record
    /// and a repeated one are joined as any other. A null key has no row; a null value comes to `joiner` as the serde reads it.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (prices, sales) = (Topic::new("prices", Utf8, Be64), Topic::new("sales", Utf8, Be64));
    /// # let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// # let (p, s, o) = (prices.clone(), sales.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let prices = b.table(&p, Store::new("prices", Utf8, Be64));
    ///     b.stream(&s).join(&prices, |count: i64, price| count * price).to(&o)
    /// });
    /// driver.pipe(&prices, "tea".to_string(), 3, 0);
    /// driver.pipe(&sales, "tea".to_string(), 2, 1);
    /// driver.pipe(&sales, "rum".to_string(), 9, 2);
    /// assert_eq!(driver.values(&output), [6]);
    /// ```
    pub fn join<T: Clone + 'static, W: Clone + 'static>(
        &self,
        table: &Table<K, T>,
        joiner: impl Fn(V, &T) -> W + 'static,
    ) -> Stream<K, W> {
        self.join_rows("join", table, move |value, row| row.map(|row| joiner(value, row)))
    }

    /// As [`Stream::join`], but a record without a value in the table is joined with `None`; with a versioned table, also one
    /// whose time is out of the history retention.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (prices, sales) = (Topic::new("prices", Utf8, Be64), Topic::new("sales", Utf8, Be64));
    /// # let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// # let (p, s, o) = (prices.clone(), sales.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let prices = b.table(&p, Store::new("prices", Utf8, Be64));
    ///     b.stream(&s).left_join(&prices, |count: i64, price| count * price.unwrap_or(&1)).to(&o)
    /// });
    /// driver.pipe(&sales, "rum".to_string(), 9, 2);
    /// assert_eq!(driver.values(&output), [9]);
    /// ```
    pub fn left_join<T: Clone + 'static, W: Clone + 'static>(
        &self,
        table: &Table<K, T>,
        joiner: impl Fn(V, Option<&T>) -> W + 'static,
    ) -> Stream<K, W> {
        self.join_rows("left-join", table, move |value, row| Some(joiner(value, row)))
    }

    fn join_rows<T: Clone + 'static, W: Clone + 'static>(
        &self,
        operator: &'static str,
        table: &Table<K, T>,
        joiner: impl Fn(V, Option<&T>) -> Option<W> + 'static,
    ) -> Stream<K, W> {
        self.require_unchanged_key(operator);
        table.require_rows(operator);
        let rows = table.view.clone();
        let joined = self.then(operator, false, move |context, record, children: &Tee<K, W>| {
            let Record { key, value, timestamp, headers } = record;
            match rows.with_as_of(&key, timestamp, |row| joiner(value, row.map(|(row, _)| row))) {
                Some(value) => children.push(context, Record { key, value, timestamp, headers }),
                None => Ok(()),
            }
        });
        for store in table.view.stores() {
            self.builder.graph.borrow_mut().connect(store, joined.node);
        }
        joined
    }
}
