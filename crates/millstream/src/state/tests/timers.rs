//! Timers: what is set and when it fires.

use std::convert::Infallible;

use proptest::prelude::*;

use super::{Compacted, Kept, compacted};
use crate::record::Timestamp;
use crate::serde::Utf8;
use crate::state::{StoreId, TimerStore};
use crate::time::PunctuationType;

#[derive(Clone, Debug)]
enum Op {
    Set(u8, Timestamp),
    Cancel(u8),
    CancelAt(u8, Timestamp),
    /// Fires what is due; each timer of key 0 sets another one of key 1 that long after it.
    Fire(Timestamp, i64),
    Commit,
    Rollback,
    Restore(Compacted),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (key, at) = (0..4_u8, 0..30_i64);
    let op = prop_oneof![
        6 => (key.clone(), at.clone()).prop_map(|(k, at)| Op::Set(k, at)),
        1 => key.clone().prop_map(Op::Cancel),
        2 => (key, at.clone()).prop_map(|(k, at)| Op::CancelAt(k, at)),
        3 => (at, -5..5_i64).prop_map(|(time, later)| Op::Fire(time, later)),
        3 => Just(Op::Commit),
        2 => Just(Op::Rollback),
        1 => compacted().prop_map(Op::Restore),
    ];
    prop::collection::vec(op, 1..60)
}

/// All timers, in the order in which they were set.
#[derive(Clone, Default)]
struct Model(Vec<(u8, Timestamp)>);

impl Model {
    fn set(&mut self, key: u8, at: Timestamp) {
        if !self.0.contains(&(key, at)) {
            self.0.push((key, at));
        }
    }

    fn fire(&mut self, time: Timestamp, later: i64) -> Vec<(u8, Timestamp)> {
        let mut due: Vec<_> = self.0.iter().copied().filter(|(_, at)| *at <= time).collect();
        due.sort_by_key(|(_, at)| *at);
        for timer in &due {
            self.0.retain(|other| other != timer);
            if timer.0 == 0 && !due.contains(&(1, timer.1 + later)) {
                self.set(1, timer.1 + later);
            }
        }
        due
    }
}

fn key(number: u8) -> String {
    number.to_string()
}

proptest! {
    #[test]
    fn timers_are_what_the_model_says(ops in ops(), compacted in compacted()) {
        let mut kept = Kept::new(|clock: &_| {
            let timers = TimerStore::new(StoreId(0), "timers".into(), Utf8, PunctuationType::StreamTime, clock);
            let erased = timers.erased();
            (timers, erased)
        });
        let mut model = Model::default();
        let mut committed = model.clone();
        for op in &ops {
            let timers = &kept.handle;
            match *op {
                Op::Set(k, at) => {
                    timers.set(key(k), at);
                    model.set(k, at);
                }
                Op::Cancel(k) => {
                    timers.cancel(&key(k));
                    model.0.retain(|timer| timer.0 != k);
                }
                Op::CancelAt(k, at) => {
                    timers.cancel_at(&key(k), at);
                    model.0.retain(|timer| *timer != (k, at));
                }
                Op::Fire(time, later) => {
                    let expected = model.fire(time, later);
                    let mut fired = Vec::new();
                    let result: Result<(), Infallible> = timers.fire(time, |timer| {
                        let number: u8 = timer.key.parse().unwrap();
                        if number == 0 && !expected.contains(&(1, timer.at + later)) {
                            timers.set(key(1), timer.at + later);
                        }
                        fired.push((number, timer.at));
                        Ok(())
                    });
                    result.unwrap();
                    prop_assert_eq!(fired, expected);
                }
                Op::Commit => {
                    kept.commit();
                    committed = model.clone();
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
            let next = model.0.iter().map(|(_, at)| *at).min().unwrap_or(Timestamp::MAX);
            prop_assert_eq!(kept.handle.next_due(), next, "after {:?}", op);
            for number in 0..4 {
                let mut times: Vec<_> = model.0.iter().filter(|(k, _)| *k == number).map(|(_, at)| *at).collect();
                times.sort_unstable();
                prop_assert_eq!(kept.handle.of(&key(number)), times);
            }
        }
        kept.commit();
        let mut fired = Vec::new();
        let restored = kept.restored(compacted);
        let result: Result<(), Infallible> = restored.handle.fire(Timestamp::MAX - 1, |timer| {
            fired.push((timer.key.parse::<u8>().unwrap(), timer.at));
            Ok(())
        });
        result.unwrap();
        prop_assert_eq!(fired, model.clone().fire(Timestamp::MAX - 1, 0), "the order comes back");
        let keys = (0..4).filter(|key| model.0.iter().any(|timer| timer.0 == *key));
        prop_assert_eq!((kept.changelog.count(), kept.changelog.needless), (keys.count(), 0));
    }
}
