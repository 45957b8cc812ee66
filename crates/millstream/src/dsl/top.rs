use std::cmp::{Ordering, Reverse};
use std::hash::Hash;
use std::rc::Rc;
use std::sync::Arc;

use super::{Change, GroupedTable, Table};
use crate::processor::Tee;
use crate::record::Record;
use crate::serde::{Be64, Serde, SerdeError};
use crate::state::{Connect, RowCodec, SortedStore, Store};

impl<L: Hash + Eq + Clone + 'static, W: Clone + 'static> GroupedTable<L, W> {
    /// The `k` rows of each key that rank highest, the highest first; of equal ranks, those whose bytes are smaller. All rows
    /// are kept in a second store, `<store>-rows`: when one goes or its rank falls, the next one comes up.
    ///
    /// Each update yields one, also where the first rows stay; a tombstone when the key has no row any more. The order is that
    /// of the repartition topic, whatever the timestamps; the time is the largest one among the updates.
    ///
    /// ```
    /// # use millstream::prelude::*;
    /// # use millstream_test::TopologyTestDriver;
    /// # let (input, output) = (Topic::<_, i64>::new("in", Utf8, Be64), Topic::<_, Vec<i64>>::new("out", Utf8, Json));
    /// # let (i, o) = (input.clone(), output.clone());
    /// let mut driver = TopologyTestDriver::new(move |b| {
    ///     b.table(&i, Store::new("scores", Utf8, Be64))
    ///         .group_by(Topic::new("all", Utf8, Be64), |_, score: &i64| ("all".to_string(), *score))
    ///         .top_k(Store::new("best", Utf8, Json), 2, |score| *score)
    ///         .to_stream()
    ///         .to(&o)
    /// });
    /// for (player, score) in [("ann", 5), ("bob", 9), ("joe", 7), ("bob", 1)] {
    ///     driver.pipe(&input, player.to_string(), score, 0);
    /// }
    /// assert_eq!(driver.values(&output), [vec![5], vec![9, 5], vec![9, 7], vec![7, 5]]);
    /// ```
    pub fn top_k<R: Ord + 'static>(
        &self,
        store: Store<L, Vec<W>>,
        k: usize,
        rank: impl Fn(&W) -> R + 'static,
    ) -> Table<L, Vec<W>> {
        let builder = &self.changes.builder;
        let ranking = Rc::new(Ranking { key: self.topic.key.clone(), value: self.topic.value.clone(), rank });
        let rows = {
            let mut graph = builder.graph.borrow_mut();
            let id = graph.store(&format!("{}-rows", store.name).into());
            let rows = SortedStore::new(id, ranking.codec());
            graph.set_store(id, rows.erased());
            rows
        };
        let store = builder.store(store);
        let (tops, all) = (store.clone(), rows.clone());
        let topped = self.changes.then("top-k", false, move |context, record, children: &Tee<L, Change<Vec<W>>>| {
            let Record { key, value: Change { old, new }, timestamp, headers } = record;
            let start = ranking.start(&key)?;
            for (value, by) in [(old, -1), (new, 1)] {
                let Some(value) = value else { continue };
                let row = Rc::new(ranking.row(start.group.clone(), value)?);
                let count = all.get(&row).unwrap_or(0) + by;
                all.put(row, (count > 0).then_some(count), timestamp);
            }
            let mut top = Vec::new();
            all.for_each_from(&start, |row, count| {
                if row.group == start.group && top.len() < k {
                    let equal = row.value.iter().cycle().take(usize::try_from(*count).unwrap_or(0));
                    top.extend(equal.take(k - top.len()).cloned());
                    return Ok::<bool, SerdeError>(top.len() < k);
                }
                Ok(false)
            })?;
            let (change, timestamp) = tops.update(&key, |rows, time| {
                *time = if rows.is_some() { timestamp.max(*time) } else { timestamp };
                let new = (!top.is_empty()).then_some(top);
                (Change { old: std::mem::replace(rows, new.clone()), new }, *time)
            });
            children.push(context, Record { key, value: change, timestamp, headers })
        });
        let mut graph = builder.graph.borrow_mut();
        graph.connect(rows.store_id(), topped.node);
        graph.connect(store.store_id(), topped.node);
        drop(graph);
        Table::new(builder, topped.node, topped.children, Some(store))
    }
}

/// A row of a group, in the order of its rank. How many rows are equal to it is the store's value.
struct Ranked<R, W> {
    group: Rc<[u8]>,
    /// `None` is before all rows of the group.
    rank: Option<Reverse<R>>,
    bytes: Vec<u8>,
    value: Option<W>,
}

impl<R: Ord, W> Ord for Ranked<R, W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.group, &self.rank, &self.bytes).cmp(&(&other.group, &other.rank, &other.bytes))
    }
}

impl<R: Ord, W> PartialOrd for Ranked<R, W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R: Ord, W> PartialEq for Ranked<R, W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<R: Ord, W> Eq for Ranked<R, W> {}

/// How rows are ranked, and written: the length of the group's bytes in four bytes, the group's bytes, and the row's.
struct Ranking<L, W, F> {
    key: Arc<dyn Serde<L>>,
    value: Arc<dyn Serde<W>>,
    rank: F,
}

impl<L: 'static, W: 'static, R: Ord + 'static, F: Fn(&W) -> R + 'static> Ranking<L, W, F> {
    fn start(&self, key: &L) -> Result<Rc<Ranked<R, W>>, SerdeError> {
        let mut group = Vec::new();
        self.key.encode(key, &mut group)?;
        Ok(Rc::new(Ranked { group: group.into(), rank: None, bytes: Vec::new(), value: None }))
    }

    fn row(&self, group: Rc<[u8]>, value: W) -> Result<Ranked<R, W>, SerdeError> {
        let mut bytes = Vec::new();
        self.value.encode(&value, &mut bytes)?;
        Ok(Ranked { group, rank: Some(Reverse((self.rank)(&value))), bytes, value: Some(value) })
    }

    fn codec(self: &Rc<Self>) -> RowCodec<Rc<Ranked<R, W>>, i64> {
        let ranking = self.clone();
        let encode = |row: &Rc<Ranked<R, W>>, out: &mut Vec<u8>| {
            let length = u32::try_from(row.group.len()).map_err(|_| SerdeError::new("a key longer than 4 GiB"))?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&row.group);
            out.extend_from_slice(&row.bytes);
            Ok(())
        };
        let decode = move |bytes: &[u8]| {
            let broken = || SerdeError::new(format!("{} bytes that are not a ranked row", bytes.len()));
            let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
            let (group, row) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(broken)?;
            Ok(Rc::new(ranking.row(group.into(), ranking.value.decode(row)?)?))
        };
        RowCodec { encode_key: Box::new(encode), decode_key: Box::new(decode), value: Arc::new(Be64) }
    }
}
