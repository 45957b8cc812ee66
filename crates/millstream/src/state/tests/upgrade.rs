//! Changelogs that were written by several versions of a program.

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::{Compacted, Kept, compacted};
use crate::serde::{Be32, Serde, Utf8};
use crate::state::{KeyValueStore, StateStore, Store, StoreId};
use crate::time::Clock;

/// The keys of five things in each version.
type Keys = [[&'static str; 5]; 4];

/// In version 1 two have changed places, one has moved to a key that was another's before that moved on, and one stays.
const TAKEN: Keys =
    [["a", "b", "c", "d", "s"], ["b", "a", "d", "e", "s"], ["b", "a", "d", "e", "s"], ["x", "a", "d", "e", "s"]];

/// None becomes what another was.
const NEW: Keys =
    [["a", "b", "c", "d", "s"], ["e", "f", "g", "d", "s"], ["e", "f", "g", "d", "s"], ["x", "f", "y", "d", "s"]];

/// What upgrading to a version adds to the values.
const ADDED: [i32; 4] = [0, 0, 1000, 5];

type Make = (KeyValueStore<String, i32>, Rc<dyn StateStore>);

fn make(all: &'static Keys, version: u32) -> impl Fn(&Clock) -> Make {
    move |clock| {
        let mut store = Store::new("rows", Utf8, Be32);
        for from in 0..version {
            store = store.upgrade(from, move |key, value| {
                let (keys, newer) = (all[from as usize], all[from as usize + 1]);
                let thing = keys.iter().position(|name| name.as_bytes() == key).unwrap();
                let value: i32 = Be32.decode(value)?;
                let value = value.wrapping_add(ADDED[from as usize + 1]);
                Ok((newer[thing].into(), value.to_be_bytes().to_vec()))
            });
        }
        let store = if version > 0 { store.version(version) } else { store };
        let handle = KeyValueStore::new(StoreId(0), store, clock);
        let erased = handle.erased();
        (handle, erased)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put(usize, i32),
    Delete(usize),
    Commit,
    Rollback,
    /// A later version begins.
    Upgrade(Compacted),
    Restart(Compacted),
    /// A commit without transaction that ends after so many rows; then a restart.
    Crash(usize, Compacted),
}

fn ops(crashes: bool) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0..5_usize, any::<i32>()).prop_map(|(thing, value)| Op::Put(thing, value)),
        4 => (0..5_usize).prop_map(Op::Delete),
        4 => Just(Op::Commit),
        1 => Just(Op::Rollback),
        1 => compacted().prop_map(Op::Upgrade),
        1 => compacted().prop_map(Op::Restart),
        u32::from(crashes) => (0..9_usize, compacted()).prop_map(|(rows, compacted)| Op::Crash(rows, compacted)),
    ];
    prop::collection::vec(op, 1..60)
}

fn seen(store: &KeyValueStore<String, i32>) -> BTreeMap<String, i32> {
    let mut rows = BTreeMap::new();
    store.for_each(|key, value, _| assert!(rows.insert(key.clone(), *value).is_none()));
    rows
}

proptest! {
    #[test]
    fn rows_of_all_versions_are_those_of_the_last(ops in ops(false)) {
        run(&TAKEN, &ops)?;
    }

    #[test]
    fn without_transactions_too_where_no_key_becomes_what_another_was(ops in ops(true)) {
        run(&NEW, &ops)?;
    }
}

fn run(keys: &'static Keys, ops: &[Op]) -> Result<(), TestCaseError> {
    let mut version = 0;
    let mut kept = Kept::new(make(keys, 0));
    let mut model = BTreeMap::<usize, i32>::new();
    let mut committed = model.clone();
    for op in ops {
        match *op {
            Op::Put(thing, value) => {
                kept.handle.put(keys[version][thing].to_string(), value, 0);
                model.insert(thing, value);
            }
            Op::Delete(thing) => {
                kept.handle.delete(keys[version][thing].to_string(), 0);
                model.remove(&thing);
            }
            Op::Commit => {
                kept.commit();
                committed = model.clone();
                prop_assert_eq!(kept.changelog.count(), model.len(), "old keys do not stay");
            }
            Op::Rollback => {
                kept.rollback();
                model = committed.clone();
            }
            Op::Upgrade(compacted) => {
                if version + 1 < keys.len() {
                    version += 1;
                    committed.values_mut().for_each(|value| *value = value.wrapping_add(ADDED[version]));
                }
                kept = kept.restored_as(compacted, make(keys, version as u32));
                model = committed.clone();
            }
            Op::Crash(..) => {}
            Op::Restart(compacted) => {
                kept = kept.restored(compacted);
                model = committed.clone();
            }
        }
        if let Op::Crash(rows, compacted) = *op {
            kept.crash_in_commit(rows);
            kept = kept.restored(compacted);
            let found = seen(&kept.handle);
            for (thing, key) in keys[version].into_iter().enumerate() {
                let row = found.get(key);
                prop_assert!(row == committed.get(&thing) || row == model.get(&thing), "{:?} of {}", row, key);
                match row {
                    Some(value) => committed.insert(thing, *value),
                    None => committed.remove(&thing),
                };
            }
            model = committed.clone();
        }
        let expected = model.iter().map(|(thing, value)| (keys[version][*thing].to_string(), *value));
        prop_assert_eq!(seen(&kept.handle), expected.collect(), "after {:?}", op);
    }
    Ok(())
}
