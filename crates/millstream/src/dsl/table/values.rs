use std::hash::Hash;
use std::rc::Rc;

use super::super::Change;
use super::view::Serdes;
use super::{Stream, Table};
use crate::processor::Tee;
use crate::record::Record;

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Keeps the rows for which `predicate` holds.
    ///
    /// A row that leaves yields a tombstone; an update of a row that was not in and does not come in yields nothing. Updates
    /// are taken in the order of their partition, whatever their timestamps.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("rows", Utf8, Be64)).filter(|_, value| *value > 10).to_stream().to(&o)
    /// });
    /// for (value, timestamp) in [(3, 0), (30, 1), (4, 2), (5, 3)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// assert_eq!(driver.entries(&output), [("a".to_string(), Some(30)), ("a".to_string(), None)]);
    /// ```
    pub fn filter(&self, predicate: impl Fn(&K, &V) -> bool + 'static) -> Table<K, V> {
        self.keep("filter", predicate)
    }

    /// Drops the rows for which `predicate` holds; otherwise as [`Table::filter`].
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("rows", Utf8, Be64)).filter_not(|_, value| *value > 10).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 3, 0);
    /// driver.pipe(&input, "a".to_string(), 30, 1);
    /// assert_eq!(driver.entries(&output), [("a".to_string(), Some(3)), ("a".to_string(), None)]);
    /// ```
    pub fn filter_not(&self, predicate: impl Fn(&K, &V) -> bool + 'static) -> Table<K, V> {
        self.keep("filter-not", move |key, value| !predicate(key, value))
    }

    /// Makes each row's value into another; `mapper` must say the same each time it is asked.
    ///
    /// Each update yields one, also an older one, a tombstone, and one that changes nothing.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("rows", Utf8, Utf8)).map_values(|text| text.len() as i64).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), "hello".to_string(), 0);
    /// driver.pipe_null(&input, "a".to_string(), 1);
    /// assert_eq!(driver.entries(&output), [("a".to_string(), Some(5)), ("a".to_string(), None)]);
    /// ```
    pub fn map_values<W: Clone + 'static>(&self, mapper: impl Fn(&V) -> W + 'static) -> Table<K, W> {
        self.map_values_with_key(move |_, value| mapper(value))
    }

    /// As [`Table::map_values`], with the key to look at.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::new("out", Utf8, Utf8));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("rows", Utf8, Utf8)).map_values_with_key(|k, v| format!("{k}={v}")).to_stream().to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), "hello".to_string(), 0);
    /// assert_eq!(driver.values(&output), ["a=hello"]);
    /// ```
    pub fn map_values_with_key<W: Clone + 'static>(&self, mapper: impl Fn(&K, &V) -> W + 'static) -> Table<K, W> {
        let mapper = Rc::new(mapper);
        let view = {
            let mapper = mapper.clone();
            self.view.derive(move |key, value| Some(mapper(key, value)))
        };
        let Stream { builder, node, children, .. } =
            self.then("map-values", move |context, record, children: &Tee<K, Change<W>>| {
                let Record { key, value: Change { old, new }, timestamp, headers } = record;
                let old = old.filter(|_| children.wants_old()).map(|value| mapper(&key, &value));
                let new = new.map(|value| mapper(&key, &value));
                children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
            });
        let serdes = Serdes { key: self.serdes.key.clone(), value: None };
        Table { builder, node, children, view, serdes, out_of_order: None }
    }

    fn keep(&self, operator: &'static str, keep: impl Fn(&K, &V) -> bool + 'static) -> Table<K, V> {
        let keep = Rc::new(keep);
        let view = {
            let keep = keep.clone();
            self.view.derive(move |key, value| keep(key, value).then(|| value.clone()))
        };
        // Without the values before, what leaves cannot be told from what never was in: both yield a tombstone.
        let sends_old = self.view.sends_old();
        let Stream { builder, node, children, .. } = self.then(operator, move |context, record, children| {
            let Record { key, value: Change { old, new }, timestamp, headers } = record;
            let kept = |value: &V| keep(&key, value);
            let (old, new) = (old.filter(kept), new.filter(kept));
            if sends_old && old.is_none() && new.is_none() {
                return Ok(());
            }
            children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
        });
        Table { builder, node, children, view, serdes: self.serdes.clone(), out_of_order: None }
    }
}
