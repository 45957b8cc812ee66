use std::hash::Hash;
use std::rc::Rc;

use super::super::Change;
use super::Table;
use super::view::{Serdes, View};
use crate::processor::{Context, ProcessError, Tee};
use crate::record::{Record, Timestamp};
use crate::topology::{NodeId, NodeKind};

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Joins the rows of both tables with the same key: a table with a row where both have one.
    ///
    /// Each update of either side yields one while the other side has a row: a tombstone when the row is deleted, also where
    /// there was none; nothing while the other side has none. The time is the larger one of both rows. Updates are taken in
    /// the order in which they are processed, whatever their timestamps; of equal ones, those of a topic that was declared
    /// first. Both topics must have the same partition count.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (prices, stocks) = (Topic::new("prices", Utf8, Be64), Topic::new("stocks", Utf8, Be64));
    /// # let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// # let (p, s, o) = (prices.clone(), stocks.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let prices = b.table(&p, Store::new("prices", Utf8, Be64));
    ///     let stocks = b.table(&s, Store::new("stocks", Utf8, Be64));
    ///     prices.join(&stocks, |price: &i64, stock: &i64| price * stock).to_stream().to(&o)
    /// });
    /// driver.pipe(&prices, "tea".to_string(), 3, 0);
    /// driver.pipe(&stocks, "tea".to_string(), 5, 1);
    /// driver.pipe(&prices, "tea".to_string(), 4, 2);
    /// driver.pipe_null(&stocks, "tea".to_string(), 3);
    /// let values: Vec<_> = driver.entries(&output).into_iter().map(|(_, value)| value).collect();
    /// assert_eq!(values, [Some(15), Some(20), None]);
    /// ```
    pub fn join<W: Clone + 'static, R: Clone + 'static>(
        &self,
        other: &Table<K, W>,
        joiner: impl Fn(&V, &W) -> R + 'static,
    ) -> Table<K, R> {
        let joiner = move |left: Option<&V>, right: Option<&W>| Some(joiner(left?, right?));
        self.join_table("table-join", other, (true, true), joiner)
    }

    /// As [`Table::join`], but with a row for each row of the left table; where the right one has none it is joined with
    /// `None`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (prices, stocks) = (Topic::new("prices", Utf8, Be64), Topic::new("stocks", Utf8, Be64));
    /// # let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// # let (p, s, o) = (prices.clone(), stocks.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let prices = b.table(&p, Store::new("prices", Utf8, Be64));
    ///     let stocks = b.table(&s, Store::new("stocks", Utf8, Be64));
    ///     prices.left_join(&stocks, |price: &i64, stock| price * stock.unwrap_or(&0)).to_stream().to(&o)
    /// });
    /// driver.pipe(&prices, "tea".to_string(), 3, 0);
    /// driver.pipe(&stocks, "tea".to_string(), 5, 1);
    /// driver.pipe(&stocks, "rum".to_string(), 7, 2);
    /// assert_eq!(driver.values(&output), [0, 15]);
    /// ```
    pub fn left_join<W: Clone + 'static, R: Clone + 'static>(
        &self,
        other: &Table<K, W>,
        joiner: impl Fn(&V, Option<&W>) -> R + 'static,
    ) -> Table<K, R> {
        let joiner = move |left: Option<&V>, right: Option<&W>| Some(joiner(left?, right));
        self.join_table("table-left-join", other, (true, false), joiner)
    }

    /// As [`Table::join`], but with a row where at least one of the tables has one; the other side is `None`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (prices, stocks) = (Topic::new("prices", Utf8, Be64), Topic::new("stocks", Utf8, Be64));
    /// # let output = Topic::<_, i64>::new("out", Utf8, Be64);
    /// # let (p, s, o) = (prices.clone(), stocks.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let prices = b.table(&p, Store::new("prices", Utf8, Be64));
    ///     let stocks = b.table(&s, Store::new("stocks", Utf8, Be64));
    ///     let sum = |price: Option<&i64>, stock: Option<&i64>| price.unwrap_or(&0) + stock.unwrap_or(&0);
    ///     prices.outer_join(&stocks, sum).to_stream().to(&o)
    /// });
    /// driver.pipe(&stocks, "tea".to_string(), 5, 0);
    /// driver.pipe(&prices, "tea".to_string(), 3, 1);
    /// driver.pipe_null(&stocks, "tea".to_string(), 2);
    /// driver.pipe_null(&prices, "tea".to_string(), 3);
    /// let values: Vec<_> = driver.entries(&output).into_iter().map(|(_, value)| value).collect();
    /// assert_eq!(values, [Some(5), Some(8), Some(3), None]);
    /// ```
    pub fn outer_join<W: Clone + 'static, R: Clone + 'static>(
        &self,
        other: &Table<K, W>,
        joiner: impl Fn(Option<&V>, Option<&W>) -> R + 'static,
    ) -> Table<K, R> {
        let joiner =
            move |left: Option<&V>, right: Option<&W>| (left.is_some() || right.is_some()).then(|| joiner(left, right));
        self.join_table("table-outer-join", other, (false, false), joiner)
    }

    /// `required`: which sides must have a row for the joined table to have one. `joiner` says `None` where it has none.
    fn join_table<W: Clone + 'static, R: Clone + 'static>(
        &self,
        operator: &'static str,
        other: &Table<K, W>,
        required: (bool, bool),
        joiner: impl Fn(Option<&V>, Option<&W>) -> Option<R> + 'static,
    ) -> Table<K, R> {
        self.require_rows(operator);
        other.require_rows(operator);
        let joiner = Rc::new(joiner);
        let (left, right) = (self.view.clone(), other.view.clone());
        let mut stores = left.stores();
        stores.extend(right.stores());
        let mut graph = self.builder.graph.borrow_mut();
        let node = graph.node(NodeKind::Processor(operator), &[self.node, other.node]);
        for store in &stores {
            graph.connect(*store, node);
        }
        drop(graph);

        let children: Tee<K, Change<R>> = Tee::default();
        on_change(node, self, &right, required.1, &children, {
            let joiner = joiner.clone();
            move |left, right| joiner(left, right)
        });
        on_change(node, other, &left, required.0, &children, {
            let joiner = joiner.clone();
            move |right, left| joiner(left, right)
        });
        let get = move |key: &K, as_of: Timestamp| {
            left.with_as_of(key, as_of, |left| {
                right.with_as_of(key, as_of, |right| {
                    let joined = joiner(left.map(|(value, _)| value), right.map(|(value, _)| value))?;
                    let times = left.map(|(_, time)| time).into_iter().chain(right.map(|(_, time)| time));
                    Some((joined, times.max()?))
                })
            })
        };
        let view = View::Derived { get: Rc::new(get), stores };
        let serdes = Serdes { key: self.serdes.key.clone(), value: None };
        Table { builder: self.builder.clone(), node, children, view, serdes, out_of_order: None }
    }
}

/// Joins each change of a table with the row of the other one.
fn on_change<K: Hash + Eq + Clone + 'static, V: Clone + 'static, W: Clone + 'static, R: Clone + 'static>(
    node: NodeId,
    table: &Table<K, V>,
    other: &View<K, W>,
    other_required: bool,
    children: &Tee<K, Change<R>>,
    joiner: impl Fn(Option<&V>, Option<&W>) -> Option<R> + 'static,
) {
    let (other, children) = (other.clone(), children.clone());
    table.children.add(node.0, move |context: &mut Context<'_>, record| -> Result<(), ProcessError> {
        let Record { key, value: Change { old, new }, timestamp, headers } = record;
        let joined = other.with(&key, |row| {
            if row.is_none() && (other_required || (old.is_none() && new.is_none())) {
                return None;
            }
            let (row, time) = row.map_or((None, timestamp), |(row, time)| (Some(row), time.max(timestamp)));
            let old = if children.wants_old() { joiner(old.as_ref(), row) } else { None };
            Some((Change { old, new: joiner(new.as_ref(), row) }, time))
        });
        match joined {
            Some((value, timestamp)) => children.push(context, Record { key, value, timestamp, headers }),
            None => Ok(()),
        }
    });
}
