use std::hash::Hash;
use std::sync::Arc;

use super::super::Change;
use super::view::Serdes;
use super::{Stream, Table};
use crate::record::Record;
use crate::serde::Serde;
use crate::state::{Connect, Store};

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Keeps the rows in a store of the table's own, with its changelog: where they are costly to work out, or to be queried.
    ///
    /// Passes on each update in the order in which it comes, older, repeated ones and tombstones too.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("rows", Utf8, Be64))
    ///         .map_values(|value| value * 2)
    ///         .materialize(Store::new("doubled", Utf8, Be64))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&input, "a".to_string(), 4, 0);
    /// assert_eq!(driver.values(&output), [8]);
    /// ```
    pub fn materialize(&self, store: Store<K, V>) -> Table<K, V> {
        let store = self.builder.store(store);
        let rows = store.clone();
        let Stream { builder, node, children, .. } = self.then("materialize", move |context, record, children| {
            let Record { key, value: Change { new, .. }, timestamp, headers } = record;
            let old = if children.wants_old() { rows.get(&key) } else { None };
            match &new {
                Some(value) => rows.put(key.clone(), value.clone(), timestamp),
                None => rows.delete(key.clone(), timestamp),
            }
            children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
        });
        builder.graph.borrow_mut().connect(store.store_id(), node);
        Table::new(&builder, node, children, Some(store))
    }
}

impl<K: Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Says how keys and values are written, for operators that write the table's rows to internal topics. A table with a
    /// store knows it, as does one filtered from it; one with other values does not.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (people, names) = (Topic::new("people", Utf8, Utf8), Topic::new("names", Utf8, Utf8));
    /// # let output = Topic::<_, usize>::new("out", Utf8, Json);
    /// # let (p, n, o) = (people.clone(), names.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let team_of = b.table(&p, Store::new("team-of", Utf8, Utf8));
    ///     let lengths = b.table(&n, Store::new("names", Utf8, Utf8)).map_values(String::len).with_serdes(Utf8, Json);
    ///     team_of.join_foreign("team", &lengths, |team| Some(team.clone()), |_, length| *length).to_stream().to(&o)
    /// });
    /// driver.pipe(&people, "ann".to_string(), "7".to_string(), 0);
    /// driver.pipe(&names, "7".to_string(), "Tigers".to_string(), 1);
    /// assert_eq!(driver.values(&output), [6]);
    /// ```
    pub fn with_serdes(self, key: impl Serde<K>, value: impl Serde<V>) -> Table<K, V> {
        let key: Arc<dyn Serde<K>> = Arc::new(key);
        let value: Arc<dyn Serde<V>> = Arc::new(value);
        Table { serdes: Serdes { key: Some(key), value: Some(value) }, ..self }
    }
}
