//! Key-value and ordered stores, with and without a time to live.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use proptest::prelude::*;

use super::{Compacted, Kept, compacted};
use crate::record::Timestamp;
use crate::serde::{Be32, Utf8};
use crate::state::{KeyValueStore, OrderedStore, Store, StoreId};

#[derive(Clone, Debug)]
enum Op {
    Put(u8, i32, Timestamp),
    Delete(u8, Timestamp),
    /// Adds to the value as an aggregate does; its time goes on only.
    Add(u8, i32, Timestamp),
    /// Takes the value out in place.
    Empty(u8, Timestamp),
    Advance(Timestamp),
    Commit,
    Rollback,
    Restore(Compacted),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (key, time) = (0..6_u8, 0..60_i64);
    let op = prop_oneof![
        4 => (key.clone(), any::<i32>(), time.clone()).prop_map(|(k, v, t)| Op::Put(k, v, t)),
        2 => (key.clone(), time.clone()).prop_map(|(k, t)| Op::Delete(k, t)),
        4 => (key.clone(), 1..9, time.clone()).prop_map(|(k, v, t)| Op::Add(k, v, t)),
        1 => (key, time.clone()).prop_map(|(k, t)| Op::Empty(k, t)),
        3 => time.prop_map(Op::Advance),
        3 => Just(Op::Commit),
        2 => Just(Op::Rollback),
        1 => compacted().prop_map(Op::Restore),
    ];
    prop::collection::vec(op, 1..60)
}

fn key(number: u8) -> String {
    format!("{}{number}", if number < 3 { "a" } else { "b" })
}

type Row = (i32, Timestamp);

/// What is there and what is seen of it, as simple as can be.
#[derive(Clone, Default)]
struct Model {
    rows: BTreeMap<String, Row>,
    now: Timestamp,
    time_to_live: Option<i64>,
}

impl Model {
    fn is_alive(&self, timestamp: Timestamp) -> bool {
        self.time_to_live.is_none_or(|limit| timestamp + limit > self.now)
    }

    fn seen(&self) -> Vec<(String, Row)> {
        self.rows.iter().filter(|(_, row)| self.is_alive(row.1)).map(|(k, row)| (k.clone(), *row)).collect()
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Put(k, v, t) => {
                self.rows.insert(key(k), (v, t));
            }
            Op::Delete(k, _) | Op::Empty(k, _) => {
                self.rows.remove(&key(k));
            }
            Op::Add(k, v, t) => {
                let before = self.rows.get(&key(k)).copied().filter(|row| self.is_alive(row.1));
                let row = before.map_or((v, t), |(value, time)| (value.wrapping_add(v), time.max(t)));
                self.rows.insert(key(k), row);
            }
            Op::Advance(t) => self.now = self.now.max(t),
            Op::Commit | Op::Rollback | Op::Restore(_) => {}
        }
    }
}

fn add(v: i32, t: Timestamp) -> impl FnOnce(&mut Option<i32>, &mut Timestamp) {
    move |value, time| {
        *value = Some(value.map_or(v, |before| before.wrapping_add(v)));
        *time = t.max(*time);
    }
}

fn empty(t: Timestamp) -> impl FnOnce(&mut Option<i32>, &mut Timestamp) {
    move |value, time| {
        *value = None;
        *time = t;
    }
}

type Look<'a> = dyn FnMut(&String, &i32, Timestamp) + 'a;

/// The two kinds, as the test uses them.
trait Map: Clone {
    fn apply(&self, op: &Op);
    fn seen(&self) -> Vec<(String, Row)>;
    fn check_reads(&self, seen: &[(String, Row)]);
}

impl Map for KeyValueStore<String, i32> {
    fn apply(&self, op: &Op) {
        match *op {
            Op::Put(k, v, t) => self.put(key(k), v, t),
            Op::Delete(k, t) => self.delete(key(k), t),
            Op::Add(k, v, t) => self.update(&key(k), add(v, t)),
            Op::Empty(k, t) => self.update(&key(k), empty(t)),
            _ => {}
        }
    }

    fn seen(&self) -> Vec<(String, Row)> {
        let mut rows = Vec::new();
        self.for_each(|k, v, t| rows.push((k.clone(), (*v, t))));
        rows.sort();
        rows
    }

    fn check_reads(&self, seen: &[(String, Row)]) {
        for number in 0..6 {
            let expected = seen.iter().find(|(k, _)| *k == key(number)).map(|(_, row)| *row);
            assert_eq!(self.with(&key(number), |row| row.map(|(v, t)| (*v, t))), expected);
            assert_eq!(self.get(&key(number)), expected.map(|row| row.0));
        }
    }
}

impl Map for OrderedStore<String, i32> {
    fn apply(&self, op: &Op) {
        match *op {
            Op::Put(k, v, t) => self.put(key(k), v, t),
            Op::Delete(k, t) => self.delete(key(k), t),
            Op::Add(k, v, t) => self.update(&key(k), add(v, t)),
            Op::Empty(k, t) => self.update(&key(k), empty(t)),
            _ => {}
        }
    }

    fn seen(&self) -> Vec<(String, Row)> {
        let mut rows = Vec::new();
        self.for_each(|k, v, t| rows.push((k.clone(), (*v, t))));
        rows
    }

    fn check_reads(&self, seen: &[(String, Row)]) {
        let collect = |read: &dyn Fn(&mut Look<'_>)| {
            let mut rows = Vec::new();
            read(&mut |k, v, t| rows.push((k.clone(), (*v, t))));
            rows
        };
        let of = |keep: &dyn Fn(&str) -> bool| seen.iter().filter(|(k, _)| keep(k)).cloned().collect::<Vec<_>>();
        for number in 0..6 {
            let expected = seen.iter().find(|(k, _)| *k == key(number)).map(|(_, row)| *row);
            assert_eq!(self.with(&key(number), |row| row.map(|(v, t)| (*v, t))), expected);
            for to in 0..6 {
                let (from, to) = (key(number), key(to));
                let range = of(&|k| *from <= *k && *k < *to);
                assert_eq!(collect(&|look| self.range(from.clone()..to.clone(), look)), range);
                let mut backwards = range;
                backwards.reverse();
                assert_eq!(collect(&|look| self.reverse_range(from.clone()..to.clone(), look)), backwards);
                let range = (Bound::Excluded(from.clone()), Bound::Included(to.clone()));
                let first = of(&|k| *from < *k && *k <= *to).first().map(|(k, _)| k.clone());
                assert_eq!(self.find(range, |k, _, _| Some(k.clone())), first);
            }
        }
        assert_eq!(collect(&|look| self.prefix("b", look)), of(&|k| k.starts_with('b')));
        assert_eq!(collect(&|look| self.prefix("", look)), seen);
    }
}

fn run<S: Map>(mut kept: Kept<S>, time_to_live: Option<i64>, ops: &[Op]) {
    let mut model = Model { time_to_live, ..Model::default() };
    let mut committed = model.clone();
    for op in ops {
        kept.handle.apply(op);
        model.apply(op);
        match op {
            Op::Advance(t) => kept.clock.advance_sources(*t),
            Op::Commit => {
                kept.commit();
                committed = model.clone();
                assert_eq!(kept.changelog.count(), model.seen().len(), "what is not seen leaves the changelog");
                kept.commit();
                assert_eq!(kept.changelog.written, 0, "nothing is written twice");
            }
            Op::Rollback => {
                kept.rollback();
                model = committed.clone();
            }
            Op::Restore(compacted) => {
                kept = kept.restored(*compacted);
                model = committed.clone();
            }
            _ => {}
        }
        assert_eq!(kept.handle.seen(), model.seen(), "after {op:?}");
        kept.handle.check_reads(&model.seen());
    }
    kept.commit();
    if time_to_live.is_none() {
        assert_eq!(kept.changelog.needless, 0);
    }
}

fn store(time_to_live: Option<i64>) -> Store<String, i32> {
    let store = Store::new("rows", Utf8, Be32);
    match time_to_live {
        Some(ms) => store.time_to_live(Duration::from_millis(ms as u64)),
        None => store,
    }
}

proptest! {
    #[test]
    fn key_value_stores_are_what_the_model_says(ops in ops(), time_to_live in prop::option::of(1..20_i64)) {
        let make = move |clock: &_| {
            let handle = KeyValueStore::new(StoreId(0), store(time_to_live), clock);
            let erased = handle.erased();
            (handle, erased)
        };
        run(Kept::new(make), time_to_live, &ops);
    }

    #[test]
    fn ordered_stores_are_what_the_model_says(ops in ops(), time_to_live in prop::option::of(1..20_i64)) {
        let make = move |clock: &_| {
            let handle = OrderedStore::new(StoreId(0), store(time_to_live), clock);
            let erased = handle.erased();
            (handle, erased)
        };
        run(Kept::new(make), time_to_live, &ops);
    }
}
