use super::TaskGraph;
use crate::broker::BrokerError;
use crate::record::{Headers, Timestamp};
use crate::state::{FlushError, SnapshotCursor};

/// How far a snapshot of a task's stores has come.
#[derive(Default)]
pub(crate) struct TaskCursor {
    /// Which store is handed out.
    store: usize,
    within: SnapshotCursor,
}

/// What a step of a snapshot did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SnapshotStep {
    /// There are more rows.
    More,
    /// All were handed out.
    Done,
    /// Nothing is handed out before the next commit, which is to write rows under other keys. It needs no changes: see
    /// [`Store::upgrade`](crate::state::Store::upgrade).
    NotYet,
}

/// Takes a row: the store's place in the graph, its key, value, time and headers, as the changelog has them.
pub(crate) type WriteSnapshot<'a> =
    dyn FnMut(usize, &[u8], Option<&[u8]>, Timestamp, &Headers) -> Result<(), BrokerError> + 'a;

impl TaskGraph {
    /// Hands out the next rows, about `rows_max`, of the stores that have a changelog of their own, as of the last commit.
    ///
    /// With the positions in the changelogs as of the first step: who restores these rows, and then each changelog from its
    /// position on, has the stores as they are.
    pub(crate) fn snapshot(
        &self,
        cursor: &mut TaskCursor,
        rows_max: usize,
        write: &mut WriteSnapshot<'_>,
    ) -> Result<SnapshotStep, FlushError> {
        let mut left = rows_max.max(1);
        while let Some(store) = self.stores.get(cursor.store) {
            if let Some(changelog) = store.changelog.as_ref().filter(|changelog| !changelog.from_source) {
                if left == 0 {
                    return Ok(SnapshotStep::More);
                }
                let (number, mut rows) = (cursor.store, 0);
                let mut write = |key: &[u8], value: Option<&[u8]>, timestamp, headers: &Headers| {
                    rows += 1;
                    write(number, key, value, timestamp, headers)
                };
                if !changelog.versions.snapshot(&*store.store, &mut cursor.within, left, &mut write)? {
                    return Ok(SnapshotStep::NotYet);
                }
                left = left.saturating_sub(rows);
                if !cursor.within.is_done() {
                    return Ok(SnapshotStep::More);
                }
            }
            *cursor = TaskCursor { store: cursor.store + 1, within: SnapshotCursor::default() };
        }
        Ok(SnapshotStep::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::{SnapshotStep, TaskCursor, TaskGraph};
    use crate::broker::Message;
    use crate::record::Headers;
    use crate::serde::{Be64, Utf8};
    use crate::state::{GlobalStores, Store};
    use crate::topic::Topic;
    use crate::topology::{Define, TopologyBuilder};

    /// A store's name, a key and a value.
    type Row = (String, Vec<u8>, Vec<u8>);

    fn graph() -> TaskGraph {
        let (users, clicks) = (Topic::new("users", Utf8, Utf8), Topic::<String, i64>::new("clicks", Utf8, Be64));
        let (joined, summed) = (Topic::new("joined", Utf8, Utf8), Topic::<String, i64>::new("sums", Utf8, Be64));
        let define: Define = Arc::new(move |b: &TopologyBuilder| {
            let users = b.table_from_changelog(&users, "users");
            let clicks = b.stream(&clicks);
            clicks.join(&users, |_, user| user.clone()).to(&joined);
            let counts = Store::new("counts", Utf8, Be64).version(1).upgrade(0, |key, value| {
                Ok((if key == b"old" { b"new".to_vec() } else { key.to_vec() }, value.to_vec()))
            });
            clicks.group_by_key().count(counts).to_stream().to(&summed);
            let alone = Store::new("alone", Utf8, Be64).without_changelog();
            clicks.group_by_key().reduce(alone, |a, b| a + b);
            clicks.group_by_key().reduce(Store::new("last", Utf8, Be64), |a, b| (*a).max(b));
        });
        TaskGraph::build("app", &define, 0, &GlobalStores::default())
    }

    fn restore(graph: &TaskGraph, store: &str, (key, value): (&[u8], &[u8]), headers: Headers) {
        let store = graph.stores.iter().find(|found| *found.name == *store).unwrap();
        let record = Message { offset: 0, timestamp: 5, key: Some(key), value: Some(value), headers };
        match &store.changelog {
            Some(changelog) => changelog.versions.restore(&*store.store, &record).unwrap(),
            None => store.store.restore(&record).unwrap(),
        }
        store.store.restored();
    }

    /// Takes a step; what it did, and how many rows it handed out.
    fn step(graph: &TaskGraph, cursor: &mut TaskCursor, rows: &mut BTreeSet<Row>) -> (SnapshotStep, usize) {
        let mut count = 0;
        let done = graph.snapshot(cursor, 4, &mut |store, key, value, timestamp, headers| {
            assert_eq!(timestamp, 5);
            let name = graph.stores[store].name.to_string();
            assert_eq!(headers.last("store-version").is_some(), name == "counts");
            rows.insert((name, key.to_vec(), value.unwrap().to_vec()));
            count += 1;
            Ok(())
        });
        (done.unwrap(), count)
    }

    #[test]
    fn all_stores_with_a_changelog_of_their_own_are_handed_out_in_steps() {
        let graph = graph();
        let mut expected = BTreeSet::new();
        for number in 0..10_i64 {
            let (key, value) = (format!("key {number}").into_bytes(), number.to_be_bytes());
            for store in ["users", "counts", "alone", "last"] {
                restore(&graph, store, (&key, &value), Headers::default());
                if store == "counts" || store == "last" {
                    expected.insert((store.to_string(), key.clone(), value.to_vec()));
                }
            }
        }
        let (mut cursor, mut rows, mut counts) = (TaskCursor::default(), BTreeSet::new(), Vec::new());
        loop {
            let (done, count) = step(&graph, &mut cursor, &mut rows);
            counts.push(count);
            if done == SnapshotStep::Done {
                break;
            }
        }
        assert_eq!(rows, expected);
        assert_eq!(counts, [4; 5]);
        assert_eq!(step(&graph, &mut cursor, &mut rows), (SnapshotStep::Done, 0));
    }

    #[test]
    fn rows_that_have_another_key_are_written_before_they_are_handed_out() {
        let graph = graph();
        restore(&graph, "counts", (b"old", &1_i64.to_be_bytes()), Headers::default());
        let (mut cursor, mut rows) = (TaskCursor::default(), BTreeSet::new());
        assert_eq!(step(&graph, &mut cursor, &mut rows), (SnapshotStep::NotYet, 0));
        for store in &graph.stores {
            match &store.changelog {
                Some(changelog) => changelog.versions.commit(&*store.store, 0),
                None => store.store.commit(0),
            }
        }
        assert_eq!(step(&graph, &mut cursor, &mut rows), (SnapshotStep::Done, 1));
        assert_eq!(rows.first().unwrap().1, b"new");
    }
}
