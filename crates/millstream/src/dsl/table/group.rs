use std::hash::Hash;
use std::sync::Arc;

use super::super::Change;
use super::{Stream, Table};
use crate::processor::Tee;
use crate::record::Record;
use crate::serde::{Serde, SerdeError};
use crate::state::{Connect, Store};
use crate::topic::Topic;

/// A table whose rows of one new key are together in one partition, ready to be aggregated: rows that change are taken out
/// of the aggregate of their old key, and put into that of their new one.
pub struct GroupedTable<L, W> {
    pub(in crate::dsl) changes: Stream<L, Change<W>>,
    /// How keys and values are written.
    pub(in crate::dsl) topic: Topic<L, W>,
}

impl<K: Clone + 'static, V: Clone + 'static> Table<K, V> {
    /// Groups the rows by a key that `selector` makes of each, with the value to aggregate: writes them to the repartition
    /// topic `<application_id>-<name>-repartition`, named by `topic`, and reads them there again.
    ///
    /// An update is written as what was and what is: as one record where the key stays, else as two, first the old one. A
    /// row whose new key or value is written as null is left out. `selector` must say the same each time it is asked.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("city-of", Utf8, Utf8))
    ///         .group_by(Topic::new("by-city", Utf8, Utf8), |person, city| (city.clone(), person.clone()))
    ///         .count(Store::new("people", Utf8, Be64))
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for (person, city) in [("ann", "rome"), ("bob", "rome"), ("ann", "oslo")] {
    ///     driver.pipe(&input, person.to_string(), city.to_string(), 0);
    /// }
    /// let people = [("rome", 1), ("rome", 2), ("rome", 1), ("oslo", 1)].map(|(city, n)| (city.to_string(), Some(n)));
    /// assert_eq!(driver.entries(&output), people);
    /// ```
    pub fn group_by<L: PartialEq + Clone + 'static, W: Clone + 'static>(
        &self,
        topic: Topic<L, W>,
        selector: impl Fn(&K, &V) -> (L, W) + 'static,
    ) -> GroupedTable<L, W> {
        self.require_old("group_by()");
        let (key_serde, value_serde) = (topic.key.clone(), topic.value.clone());
        let select = move |key: &K, value: Option<V>| {
            let (key, value) = selector(key, &value?);
            (!key_serde.is_null(&key) && !value_serde.is_null(&value)).then_some((key, value))
        };
        let keyed = self.then("select-key", move |context, record, children: &Tee<L, Change<W>>| {
            let Record { key, value: Change { old, new }, timestamp, headers } = record;
            let mut push = |key, old, new, headers| {
                children.push(context, Record { key, value: Change { old, new }, timestamp, headers })
            };
            match (select(&key, old), select(&key, new)) {
                (Some((before, old)), Some((key, new))) if before == key => push(key, Some(old), Some(new), headers),
                (Some((before, old)), Some((key, new))) => {
                    push(before, Some(old), None, headers.clone())?;
                    push(key, None, Some(new), headers)
                }
                (Some((before, old)), None) => push(before, Some(old), None, headers),
                (None, Some((key, new))) => push(key, None, Some(new), headers),
                (None, None) => Ok(()),
            }
        });
        let mut changes = Topic::new(topic.name.clone(), topic.key.clone(), ChangeSerde(topic.value.clone()));
        changes.partitions = topic.partitions;
        GroupedTable { changes: keyed.repartition(changes), topic }
    }
}

impl<L: Hash + Eq + Clone + 'static, W: Clone + 'static> GroupedTable<L, W> {
    /// Counts the rows of each key; a key whose rows are all gone has 0. See [`Table::group_by`] for an example.
    ///
    /// The count's time is the largest timestamp among its updates; an older update counts as any other.
    pub fn count(&self, store: Store<L, i64>) -> Table<L, i64> {
        let add = |_: &L, _, count: &mut Option<i64>| *count.get_or_insert(0) += 1;
        self.fold("table-count", store, add, |_, _, count| *count -= 1)
    }

    /// Combines the values of each key: `adder(so far, value)` for a row that comes, `subtractor(so far, value)` for one that
    /// goes; for a row that changes, first the subtractor with the old value. The first value is taken as it is.
    ///
    /// The order is that of the repartition topic, whatever the timestamps; a tombstone of the table takes its row's value
    /// out. The key stays when all its rows are gone.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, (String, i64)>::new("in", Utf8, Json), Topic::<_, i64>::new("out", Utf8, Be64));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("accounts", Utf8, Json))
    ///         .group_by(Topic::new("by-owner", Utf8, Be64), |_, (owner, balance): &(String, i64)| (owner.clone(), *balance))
    ///         .reduce(Store::new("totals", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for (account, balance) in [("x", 10), ("y", 20), ("x", 5)] {
    ///     driver.pipe(&input, account.to_string(), ("ann".to_string(), balance), 0);
    /// }
    /// driver.pipe_null(&input, "y".to_string(), 1);
    /// assert_eq!(driver.values(&output), [10, 30, 25, 5]);
    /// ```
    pub fn reduce(
        &self,
        store: Store<L, W>,
        adder: impl Fn(&W, W) -> W + 'static,
        subtractor: impl Fn(&W, W) -> W + 'static,
    ) -> Table<L, W> {
        let add = move |_: &L, value, so_far: &mut Option<W>| {
            *so_far = Some(match so_far {
                Some(before) => adder(before, value),
                None => value,
            });
        };
        self.fold("table-reduce", store, add, move |_, value, so_far| *so_far = subtractor(so_far, value))
    }

    /// Folds the values of each key into an aggregate of another type: as [`GroupedTable::reduce`], but the first value is
    /// added to `init()`.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::new("in", Utf8, Utf8), Topic::<_, Vec<String>>::new("out", Utf8, Json));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("city-of", Utf8, Utf8))
    ///         .group_by(Topic::new("by-city", Utf8, Utf8), |person, city| (city.clone(), person.clone()))
    ///         .aggregate(
    ///             Store::new("people", Utf8, Json),
    ///             Vec::new,
    ///             |_, person, people| people.push(person),
    ///             |_, person, people| people.retain(|p| *p != person),
    ///         )
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// driver.pipe(&input, "ann".to_string(), "rome".to_string(), 0);
    /// driver.pipe(&input, "ann".to_string(), "oslo".to_string(), 1);
    /// let people = [("rome", vec!["ann".to_string()]), ("rome", vec![]), ("oslo", vec!["ann".to_string()])];
    /// assert_eq!(driver.entries(&output), people.map(|(city, people)| (city.to_string(), Some(people))));
    /// ```
    pub fn aggregate<A: Clone + 'static>(
        &self,
        store: Store<L, A>,
        init: impl Fn() -> A + 'static,
        adder: impl Fn(&L, W, &mut A) + 'static,
        subtractor: impl Fn(&L, W, &mut A) + 'static,
    ) -> Table<L, A> {
        let add = move |key: &L, value, aggregate: &mut Option<A>| {
            adder(key, value, aggregate.get_or_insert_with(&init));
        };
        self.fold("table-aggregate", store, add, subtractor)
    }

    fn fold<A: Clone + 'static>(
        &self,
        operator: &'static str,
        store: Store<L, A>,
        add: impl Fn(&L, W, &mut Option<A>) + 'static,
        subtract: impl Fn(&L, W, &mut A) + 'static,
    ) -> Table<L, A> {
        let builder = &self.changes.builder;
        let store = builder.store(store);
        let rows = store.clone();
        let folded = self.changes.then(operator, false, move |context, record, children: &Tee<L, Change<A>>| {
            let Record { key, value: Change { old, new }, timestamp, headers } = record;
            let (change, timestamp) = rows.update(&key, |aggregate, time| {
                *time = if aggregate.is_some() { timestamp.max(*time) } else { timestamp };
                let before = if children.wants_old() { aggregate.clone() } else { None };
                if let (Some(value), Some(aggregate)) = (old, aggregate.as_mut()) {
                    subtract(&key, value, aggregate);
                }
                if let Some(value) = new {
                    add(&key, value, aggregate);
                }
                (Change { old: before, new: aggregate.clone() }, *time)
            });
            children.push(context, Record { key, value: change, timestamp, headers })
        });
        builder.graph.borrow_mut().connect(store.store_id(), folded.node);
        Table::new(builder, folded.node, folded.children, Some(store))
    }
}

/// A change on a repartition topic: one byte that says what follows (1 the new value, 2 the old one, 3 the old one's length
/// in four bytes, the old one, the new one), then the values as their serde writes them.
struct ChangeSerde<W>(Arc<dyn Serde<W>>);

const NEW: u8 = 1;
const OLD: u8 = 2;
const BOTH: u8 = OLD | NEW;

impl<W: 'static> Serde<Change<W>> for ChangeSerde<W> {
    fn check_writable(&self) -> Result<(), SerdeError> {
        self.0.check_writable()
    }

    fn encode(&self, change: &Change<W>, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let flag = if change.old.is_some() { OLD } else { 0 } | if change.new.is_some() { NEW } else { 0 };
        out.push(flag);
        if let Some(old) = &change.old {
            let length_at = out.len();
            if flag == BOTH {
                out.extend_from_slice(&[0; 4]);
            }
            let start = out.len();
            self.0.encode(old, out)?;
            if flag == BOTH {
                let length = u32::try_from(out.len() - start).map_err(|_| SerdeError::new("longer than 4 GiB"))?;
                out[length_at..start].copy_from_slice(&length.to_be_bytes());
            }
        }
        match &change.new {
            Some(new) => self.0.encode(new, out),
            None => Ok(()),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Change<W>, SerdeError> {
        let broken = || SerdeError::new(format!("{} bytes that are not a change of a table", bytes.len()));
        let (flag, rest) = bytes.split_first().ok_or_else(broken)?;
        match *flag {
            NEW => Ok(Change { old: None, new: Some(self.0.decode(rest)?) }),
            OLD => Ok(Change { old: Some(self.0.decode(rest)?), new: None }),
            BOTH => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
                let (old, new) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(broken)?;
                Ok(Change { old: Some(self.0.decode(old)?), new: Some(self.0.decode(new)?) })
            }
            _ => Err(broken()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Change, ChangeSerde};
    use crate::serde::{Serde, Utf8};

    #[test]
    fn a_change_comes_back_as_it_was_written() {
        let serde = ChangeSerde(Arc::new(Utf8));
        let text = |text: &str| Some(text.to_string());
        for change in [
            Change { old: None, new: text("a") },
            Change { old: text(""), new: None },
            Change { old: text("before"), new: text("") },
            Change { old: text("before"), new: text("now") },
        ] {
            let mut bytes = Vec::new();
            serde.encode(&change, &mut bytes).unwrap();
            assert_eq!(serde.decode(&bytes).unwrap(), change);
        }
    }

    #[test]
    fn bytes_that_are_no_change_are_an_error() {
        let serde = ChangeSerde(Arc::new(Utf8));
        for bytes in [&b""[..], b"\x00x", b"\x04x", b"\x03\x00\x00\x00\x05ab", b"\x03\x00"] {
            assert!(serde.decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
