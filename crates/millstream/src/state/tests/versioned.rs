//! Versioned stores: what was valid when.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Compacted, Kept, compacted};
use crate::record::Timestamp;
use crate::serde::{Be32, Utf8};
use crate::state::{Store, StoreId, VersionedPut, VersionedStore};

const TIMES: Timestamp = 40;

#[derive(Clone, Debug)]
enum Op {
    Put(u8, Option<i32>, Timestamp),
    Commit,
    Rollback,
    Restore(Compacted),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let put = (0..3_u8, prop::option::weighted(0.7, any::<i32>()), 0..TIMES).prop_map(|(k, v, t)| Op::Put(k, v, t));
    let op =
        prop_oneof![8 => put, 3 => Just(Op::Commit), 2 => Just(Op::Rollback), 1 => compacted().prop_map(Op::Restore)];
    prop::collection::vec(op, 1..60)
}

/// All versions ever, never forgotten.
#[derive(Clone)]
struct Model {
    versions: BTreeMap<(u8, Timestamp), Option<i32>>,
    observed: Timestamp,
    retention: i64,
}

impl Model {
    fn horizon(&self) -> Timestamp {
        self.observed.saturating_sub(self.retention)
    }

    fn next(&self, key: u8, timestamp: Timestamp) -> Option<Timestamp> {
        self.versions.range((key, timestamp + 1)..(key + 1, Timestamp::MIN)).next().map(|((_, t), _)| *t)
    }

    fn put(&mut self, key: u8, value: Option<i32>, timestamp: Timestamp) -> VersionedPut {
        if timestamp < self.horizon() {
            return VersionedPut::TooLate;
        }
        self.observed = self.observed.max(timestamp);
        self.versions.insert((key, timestamp), value);
        self.next(key, timestamp).map_or(VersionedPut::Latest, |valid_to| VersionedPut::Superseded { valid_to })
    }

    fn as_of(&self, key: u8, timestamp: Timestamp) -> Option<(i32, Timestamp, Option<Timestamp>)> {
        let valid_to = self.next(key, timestamp);
        if valid_to.is_some() && timestamp < self.horizon() {
            return None;
        }
        let (at, value) = self.versions.range((key, Timestamp::MIN)..=(key, timestamp)).next_back()?;
        Some(((*value)?, at.1, valid_to))
    }

    /// How many versions a question may still be answered with, or must tell that there is no value.
    fn needed(&self) -> usize {
        let needed = |((key, at), value): (&(u8, Timestamp), &Option<i32>)| {
            let superseded = self.next(*key, *at).is_some_and(|next| next < self.horizon());
            !superseded && (value.is_some() || *at >= self.horizon())
        };
        self.versions.iter().filter(|version| needed(*version)).count()
    }
}

fn check(store: &VersionedStore<String, i32>, model: &Model, after: &str) {
    for key in 0..3_u8 {
        for time in -1..=TIMES {
            let found = store.get_as_of(&key.to_string(), time).map(|row| (row.value, row.timestamp, row.valid_to));
            assert_eq!(found, model.as_of(key, time), "key {key} as of {time} {after}");
        }
        let latest = store.get(&key.to_string()).map(|row| (row.value, row.timestamp, row.valid_to));
        assert_eq!(latest, model.as_of(key, Timestamp::MAX - 1));
    }
}

proptest! {
    #[test]
    fn versioned_stores_are_what_the_model_says(ops in ops(), retention in 0..30_i64) {
        let mut kept = Kept::new(move |_| {
            let store = Store::new("versions", Utf8, Be32);
            let store = VersionedStore::new(StoreId(0), store, Duration::from_millis(retention as u64));
            let erased = store.erased();
            (store, erased)
        });
        let mut model = Model { versions: BTreeMap::new(), observed: Timestamp::MIN, retention };
        let mut committed = model.clone();
        for op in &ops {
            match *op {
                Op::Put(key, value, time) => {
                    prop_assert_eq!(kept.handle.put(key.to_string(), value, time), model.put(key, value, time));
                }
                Op::Commit => {
                    kept.commit();
                    committed = model.clone();
                    prop_assert_eq!(kept.changelog.count(), model.needed(), "the changelog has what is needed");
                    kept.commit();
                    prop_assert_eq!(kept.changelog.written, 0, "nothing is written twice");
                }
                Op::Rollback => {
                    kept.rollback();
                    model = committed.clone();
                }
                Op::Restore(compacted) => {
                    kept = kept.restored(compacted);
                    model = committed.clone();
                }
            }
            check(&kept.handle, &model, &format!("after {op:?}"));
        }
        kept.commit();
        prop_assert_eq!(kept.changelog.needless, 0);
    }
}
