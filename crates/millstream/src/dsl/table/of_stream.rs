use std::hash::Hash;

use super::super::{Change, SinkValue};
use super::{Stream, Table};
use crate::processor::Tee;
use crate::record::Record;
use crate::state::{Connect, Store};

impl<K: Hash + Eq + Clone + 'static, V: Clone + 'static> Stream<K, V> {
    /// The table of the last value of each key, kept in `store` with its changelog.
    ///
    /// A `None` value deletes its key. A record whose key is null as the store's serde writes it is dropped. Among records
    /// of one key the last in the partition wins, also when its timestamp is older; each of them is a change of the table,
    /// repeated ones and tombstones of what was not there too. After an operator that changes the key it is an error of the
    /// topology: call [`Stream::repartition`] first.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Nullable(Utf8)), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     let lengths = b.stream(&i).map_values(|text: Option<String>| text.map(|text| text.len() as i64));
    ///     lengths.to_table(Store::new("lengths", Utf8, Be64)).filter(|_, length| *length > 2).to_stream().to(&o)
    /// });
    /// for (value, timestamp) in [(Some("abc".to_string()), 5), (Some("abcd".to_string()), 3), (None, 4), (None, 6)] {
    ///     driver.pipe(&input, "a".to_string(), value, timestamp);
    /// }
    /// let changes = [Some(3), Some(4), None].map(|length| ("a".to_string(), length));
    /// assert_eq!(driver.entries(&output), changes);
    /// ```
    pub fn to_table<T: Clone + 'static>(&self, store: Store<K, T>) -> Table<K, T>
    where
        V: SinkValue<T>,
    {
        self.require_unchanged_key("to-table");
        let key_serde = store.key.clone();
        let store = self.builder.store(store);
        let rows = store.clone();
        let table = self.then("to-table", false, move |context, record, children: &Tee<K, Change<T>>| {
            let Record { key, value, timestamp, headers } = record;
            if key_serde.is_null(&key) {
                return Ok(());
            }
            let new = value.into_value();
            let old = rows.update(&key, |row, time| {
                *time = timestamp;
                std::mem::replace(row, new.clone())
            });
            children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
        });
        self.builder.graph.borrow_mut().connect(store.store_id(), table.node);
        Table::new(&self.builder, table.node, table.children, Some(store))
    }
}
