use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::{Change, GroupedStream, GroupedTable, Table};
use crate::processor::Tee;
use crate::record::{Record, Timestamp};
use crate::serde::{Be64, Bytes, Serde, SerdeError};
use crate::state::{Connect, KeyValueStore, Store};
use crate::topology::{NodeId, TopologyBuilder};

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> GroupedStream<K, V> {
    /// Counts, exactly, how many different items the records of each key have. The items, as `item_serde` writes them, are
    /// kept in a second store, `<store>-items`.
    ///
    /// Each record yields an update, also one whose item was there already. Null values are for `item` to look at. An older
    /// record counts as any other; the time is
    /// the largest timestamp among the key's records.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.stream(&i)
    ///         .group_by_key()
    ///         .count_distinct(Store::new("visitors", Utf8, Be64), Utf8, |_, visitor| visitor.clone())
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for visitor in ["ann", "bob", "ann"] {
    ///     driver.pipe(&input, "home".to_string(), visitor.to_string(), 0);
    /// }
    /// assert_eq!(driver.values(&output), [1, 2, 2]);
    /// ```
    pub fn count_distinct<I: 'static>(
        &self,
        store: Store<K, i64>,
        item_serde: impl Serde<I>,
        item: impl Fn(&K, &V) -> I + 'static,
    ) -> Table<K, i64> {
        let distinct = Rc::new(Distinct::new(&self.stream.builder, store, item_serde));
        let counts = distinct.clone();
        let counted = self.stream.then("count-distinct", false, move |context, record, children: &Tee<_, _>| {
            let Record { key, value, timestamp, headers } = record;
            let come = counts.come(&key, &item(&key, &value), timestamp, false)?;
            let (value, timestamp) = counts.count(&key, come, timestamp);
            children.push(context, Record { key, value, timestamp, headers })
        });
        distinct.into_table(&self.stream.builder, counted.node, counted.children)
    }
}

impl<L: Hash + Eq + Clone + 'static, W: Clone + 'static> GroupedTable<L, W> {
    /// Counts, exactly, how many different items the rows of each key have. The items, as `item_serde` writes them, are
    /// kept, with the count of the rows that have them, in a second store, `<store>-items`.
    ///
    /// A row that goes or changes takes its item with it, unless other rows have it too; a key without rows has 0. Each
    /// update yields one, in the order of the repartition topic.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("city-of", Utf8, Utf8))
    ///         .group_by(Topic::new("all", Utf8, Utf8), |_, city| ("all".to_string(), city.clone()))
    ///         .count_distinct(Store::new("cities", Utf8, Be64), Utf8, |_, city| city.clone())
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for (person, city) in [("ann", "rome"), ("bob", "rome"), ("joe", "oslo"), ("joe", "rome")] {
    ///     driver.pipe(&input, person.to_string(), city.to_string(), 0);
    /// }
    /// assert_eq!(driver.values(&output), [1, 1, 2, 1]);
    /// ```
    pub fn count_distinct<I: 'static>(
        &self,
        store: Store<L, i64>,
        item_serde: impl Serde<I>,
        item: impl Fn(&L, &W) -> I + 'static,
    ) -> Table<L, i64> {
        let builder = &self.changes.builder;
        let distinct = Rc::new(Distinct::new(builder, store, item_serde));
        let counts = distinct.clone();
        let counted = self.changes.then("table-count-distinct", false, move |context, record, children: &Tee<_, _>| {
            let Record { key, value: Change { old, new }, timestamp, headers } = record;
            let gone = match &old {
                Some(old) => counts.go(&key, &item(&key, old), timestamp)?,
                None => 0,
            };
            let come = match &new {
                Some(new) => counts.come(&key, &item(&key, new), timestamp, true)?,
                None => 0,
            };
            let (value, timestamp) = counts.count(&key, come - gone, timestamp);
            children.push(context, Record { key, value, timestamp, headers })
        });
        distinct.into_table(builder, counted.node, counted.children)
    }
}

/// The stores of a distinct count: how many items a key has, and how many rows have each of them.
struct Distinct<K, I> {
    counts: KeyValueStore<K, i64>,
    /// By the length of the key's bytes in four bytes, the key's bytes, and the item's.
    items: KeyValueStore<Vec<u8>, i64>,
    key_serde: Arc<dyn Serde<K>>,
    item_serde: Arc<dyn Serde<I>>,
}

impl<K: Hash + Eq + Clone + 'static, I: 'static> Distinct<K, I> {
    fn new(builder: &TopologyBuilder, store: Store<K, i64>, item_serde: impl Serde<I>) -> Self {
        let items = builder.store(Store::new(format!("{}-items", store.name), Bytes, Be64));
        let key_serde = store.key.clone();
        Distinct { counts: builder.store(store), items, key_serde, item_serde: Arc::new(item_serde) }
    }

    /// A row with the item comes; returns by how much the count grows. Rows are counted only where they may go.
    fn come(&self, key: &K, item: &I, timestamp: Timestamp, count_rows: bool) -> Result<i64, SerdeError> {
        let item = self.bytes(key, item)?;
        let rows = self.items.get(&item).unwrap_or(0);
        if count_rows || rows == 0 {
            self.items.put(item, rows + 1, timestamp);
        }
        Ok(i64::from(rows == 0))
    }

    /// A row with the item goes; returns by how much the count shrinks.
    fn go(&self, key: &K, item: &I, timestamp: Timestamp) -> Result<i64, SerdeError> {
        let item = self.bytes(key, item)?;
        match self.items.get(&item) {
            Some(rows @ 2..) => {
                self.items.put(item, rows - 1, timestamp);
                Ok(0)
            }
            Some(_) => {
                self.items.delete(item, timestamp);
                Ok(1)
            }
            None => Ok(0),
        }
    }

    fn count(&self, key: &K, by: i64, timestamp: Timestamp) -> (Change<i64>, Timestamp) {
        self.counts.update(key, |count, time| {
            let old = *count;
            *time = if old.is_some() { timestamp.max(*time) } else { timestamp };
            *count = Some(old.unwrap_or(0) + by);
            (Change { old, new: *count }, *time)
        })
    }

    fn bytes(&self, key: &K, item: &I) -> Result<Vec<u8>, SerdeError> {
        let mut bytes = vec![0; 4];
        self.key_serde.encode(key, &mut bytes)?;
        let length = u32::try_from(bytes.len() - 4).map_err(|_| SerdeError::new("a key longer than 4 GiB"))?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.item_serde.encode(item, &mut bytes)?;
        Ok(bytes)
    }

    fn into_table(
        self: Rc<Self>,
        builder: &TopologyBuilder,
        node: NodeId,
        children: Tee<K, Change<i64>>,
    ) -> Table<K, i64> {
        let mut graph = builder.graph.borrow_mut();
        graph.connect(self.counts.store_id(), node);
        graph.connect(self.items.store_id(), node);
        drop(graph);
        Table::new(builder, node, children, Some(self.counts.clone()))
    }
}
