//! Snapshots of every kind of store, whose rows go on changing: what is handed out is committed, nothing is missed, and with the
//! changelog from the beginning of the snapshot on it is the store.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Kept, Logged};
use crate::record::{Headers, Timestamp};
use crate::serde::{Be32, Be64, Utf8};
use crate::state::{
    Bounds, JoinSide, JoinWindowStore, KeyValueStore, OrderedStore, SeenStore, SnapshotCursor, SortedStore, SpanKeys,
    SpanRows, StateStore, Store, StoreId, SuppressBuffer, TimerStore, Unjoined, UnjoinedStore, VersionedStore,
    WindowStore,
};
use crate::time::{Clock, PunctuationType};
use crate::window::Window;

const KEYS: u8 = 12;

/// What is done to a store: each kind makes of the numbers what it can.
#[derive(Clone, Copy, Debug)]
struct Change {
    what: u8,
    key: u8,
    value: i32,
    /// In ms after the clock's time, or before.
    time: i64,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Change(Change),
    Advance(i64),
    Commit,
    Rollback,
    /// The next step of the snapshot, of about so many rows.
    Step(usize),
}

fn change() -> impl Strategy<Value = Change> {
    (0..4_u8, 0..KEYS, any::<i32>(), -8..12_i64).prop_map(|(what, key, value, time)| Change { what, key, value, time })
}

fn ops(steps: u32) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        12 => change().prop_map(Op::Change),
        2 => (1..6_i64).prop_map(Op::Advance),
        3 => Just(Op::Commit),
        1 => Just(Op::Rollback),
        steps => (1..4_usize).prop_map(Op::Step),
    ];
    prop::collection::vec(op, 1..90)
}

/// A kind of store.
trait Subject {
    fn change(&self, change: Change, now: Timestamp);

    /// All that it says, at a time. It may change on the way.
    fn reads(&self, now: Timestamp) -> Vec<String>;

    /// What is due is done before a commit.
    fn before_commit(&self, _now: Timestamp) {}

    /// What counts of a row's value.
    fn counts(value: Vec<u8>) -> Vec<u8> {
        value
    }
}

fn key(number: u8) -> String {
    format!("key {number}")
}

fn run<S: Subject>(mut kept: Kept<S>, before: &[Op], during: &[Op], after: &[Change]) {
    let obey = |kept: &mut Kept<S>, op: &Op| match *op {
        Op::Change(change) => kept.handle.change(change, kept.clock.now()),
        Op::Advance(by) => kept.clock.advance_sources(kept.clock.now() + by),
        Op::Commit => {
            kept.handle.before_commit(kept.clock.now());
            kept.commit();
        }
        Op::Rollback => kept.rollback(),
        Op::Step(_) => {}
    };
    before.iter().for_each(|op| obey(&mut kept, op));

    let (from, mut cursor, mut rows) = (kept.changelog.log.len(), SnapshotCursor::default(), Vec::new());
    for op in during {
        obey(&mut kept, op);
        if let Op::Step(rows_max) = op {
            kept.snapshot(&mut cursor, *rows_max, &mut rows);
        }
    }
    for _ in 0..100 {
        kept.snapshot(&mut cursor, 3, &mut rows);
    }
    assert!(cursor.is_done());
    let changed = &kept.changelog.log[from..];
    let missed = |row: &&Logged| {
        changed.iter().all(|change| change.key != row.key) && rows.iter().all(|handed_out| handed_out.key != row.key)
    };
    assert_eq!(kept.changelog.rows().find(missed), None);

    obey(&mut kept, &Op::Commit);
    let mut moved = kept.restored_from(&rows, from);
    let now = kept.clock.now();
    assert_eq!(moved.handle.reads(now), kept.handle.reads(now));
    kept.rollback();
    moved.rollback();
    let written = |kept: &mut Kept<S>| {
        after.iter().for_each(|change| obey(kept, &Op::Change(*change)));
        obey(kept, &Op::Advance(9));
        let from = kept.changelog.log.len();
        obey(kept, &Op::Commit);
        let rows = kept.changelog.log[from..].iter();
        let rows = rows.map(|row| Logged { value: row.value.clone().map(S::counts), ..row.clone() });
        rows.map(|row| (row.key.clone(), row)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(written(&mut moved), written(&mut kept), "the same changes are written alike");
}

fn check<S: Subject + 'static>(
    make: impl Fn(&Clock) -> (S, Rc<dyn StateStore>) + 'static,
    (before, during, after): &(Vec<Op>, Vec<Op>, Vec<Change>),
) {
    let kept = Kept::new(make);
    kept.clock.reset(0);
    run(kept, before, during, after);
}

fn history() -> impl Strategy<Value = (Vec<Op>, Vec<Op>, Vec<Change>)> {
    (ops(0), ops(4), prop::collection::vec(change(), 0..20))
}

impl Subject for KeyValueStore<String, i32> {
    fn change(&self, change: Change, now: Timestamp) {
        let (k, t) = (key(change.key), now + change.time);
        match change.what {
            0 => self.delete(k, t),
            1 => self.put(k, change.value, t),
            _ => self.update(&k, |value, time| (*value, *time) = (Some(value.unwrap_or(1) ^ change.value), t)),
        }
    }

    fn reads(&self, _now: Timestamp) -> Vec<String> {
        let mut rows = Vec::new();
        self.for_each(|k, v, t| rows.push(format!("{k} {v} {t}")));
        rows.sort();
        rows
    }
}

impl Subject for OrderedStore<String, i32> {
    fn change(&self, change: Change, now: Timestamp) {
        let (k, t) = (key(change.key), now + change.time);
        match change.what {
            0 => self.delete(k, t),
            1 => self.put(k, change.value, t),
            _ => self.update(&k, |value, time| (*value, *time) = (Some(value.unwrap_or(1) ^ change.value), t)),
        }
    }

    fn reads(&self, _now: Timestamp) -> Vec<String> {
        let mut rows = Vec::new();
        self.for_each(|k, v, t| rows.push(format!("{k} {v} {t}")));
        rows
    }
}

impl Subject for SortedStore<String, i32> {
    fn change(&self, change: Change, now: Timestamp) {
        self.put(key(change.key), (change.what > 0).then_some(change.value), now + change.time);
    }

    fn reads(&self, _now: Timestamp) -> Vec<String> {
        let mut rows = Vec::new();
        let looked: Result<(), Infallible> = self.for_each_from(&String::new(), |k, v| {
            rows.push(format!("{k} {v}"));
            Ok(true)
        });
        looked.unwrap();
        rows
    }
}

impl Subject for WindowStore<String, i32> {
    fn change(&self, change: Change, now: Timestamp) {
        // Few windows, of several rows each.
        let (k, start) = (key(change.key / 2), (now + change.time).div_euclid(5) * 5);
        match change.what {
            0 => drop(self.delete(k, start, now)),
            3 if change.key == 0 => drop(self.take_expired(now).unwrap()),
            _ => drop(self.put(k, change.value, start, now + change.time)),
        }
    }

    fn reads(&self, now: Timestamp) -> Vec<String> {
        let mut rows = Vec::new();
        self.fetch_all(.., |window, k, v, t| rows.push(format!("{window:?} {k} {v} {t}")));
        rows.sort();
        rows.push(format!("{:?}", self.take_expired(now + 4)));
        rows
    }
}

impl Subject for Rc<SpanRows<String, i32>> {
    fn change(&self, change: Change, now: Timestamp) {
        let (k, end) = (key(change.key / 2), now + change.time);
        // What ended before it was handed out would be handed out at once.
        let window = Window { start: end - 5, end: end.max(now) };
        let window = Window { start: window.end - 5, ..window };
        match change.what {
            0 => SpanRows::change(self, &k, |spans| {
                if let Ok(at) = spans.position(window) {
                    drop(spans.drain(at..at + 1));
                }
            }),
            3 if change.key < 3 => drop(self.take_closed(now).unwrap()),
            _ => SpanRows::change(self, &k, |spans| {
                spans.put(window, Some(change.value), end);
            }),
        }
    }

    fn reads(&self, now: Timestamp) -> Vec<String> {
        let mut rows = Vec::new();
        for number in 0..KEYS {
            self.with(&key(number), |list| {
                rows.extend(list.iter().map(|span| format!("{number} {:?} {:?}", span.window, span.value)));
            });
        }
        rows.push(format!("{:?}", self.take_closed(now + 3)));
        rows
    }
}

impl Subject for Rc<JoinWindowStore<String, i32>> {
    fn change(&self, change: Change, now: Timestamp) {
        let time = now + change.time / 2;
        if !self.is_late(time) {
            self.put(key(change.key / 3), change.value, time);
        }
    }

    fn reads(&self, now: Timestamp) -> Vec<String> {
        let mut rows = Vec::new();
        for number in 0..KEYS {
            let fetched: Result<(), Infallible> =
                self.fetch(&key(number), (Timestamp::MIN, Timestamp::MAX), |k, t, n, v| {
                    rows.push(format!("{k} {t} {n} {v}"));
                    Ok(())
                });
            fetched.unwrap();
        }
        rows.push(format!("{}", self.expired_before(now)));
        rows
    }
}

struct Late;

impl Bounds for Late {
    fn over_at(&self, _side: JoinSide, timestamp: Timestamp) -> Timestamp {
        timestamp + 6
    }

    fn expired_before(&self, _side: JoinSide, stream_time: Timestamp) -> Timestamp {
        stream_time - 15
    }
}

impl Subject for Rc<UnjoinedStore<String>> {
    fn before_commit(&self, now: Timestamp) {
        self.take_due(now).unwrap();
    }

    fn change(&self, change: Change, now: Timestamp) {
        let side = if change.key < 4 { JoinSide::Left } else { JoinSide::Right };
        let unjoined = Unjoined { timestamp: now + change.time, side, key: Rc::new(key(change.key / 2)) };
        match change.what {
            0 => drop(self.join(unjoined, change.value as u32 % 4)),
            1 if change.key == 0 => self.told(unjoined, 1),
            2 if change.key < 4 => drop(self.take_due(now).unwrap()),
            _ => self.wait(unjoined, change.value as u32 % 4),
        }
    }

    fn reads(&self, now: Timestamp) -> Vec<String> {
        let due = self.take_due(now + 3).unwrap().into_iter();
        let mut rows: Vec<_> =
            due.map(|(of, from)| format!("{} {:?} {} {from}", of.timestamp, of.side, of.key)).collect();
        for (number, timestamp) in (0..KEYS).flat_map(|number| (-8..60).map(move |time| (number, time))) {
            for side in [JoinSide::Left, JoinSide::Right] {
                let joined = self.join(Unjoined { timestamp, side, key: Rc::new(key(number)) }, 4);
                rows.extend((!joined).then(|| format!("told {number} {timestamp} {side:?}")));
            }
        }
        rows
    }
}

impl Subject for Rc<SuppressBuffer<String, i32>> {
    fn change(&self, change: Change, now: Timestamp) {
        if change.what == 0 {
            drop(self.take_first());
            return;
        }
        let mut headers = Headers::default();
        headers.push("header", Some(vec![change.key]));
        let values = (Some(change.value), (change.what > 1).then_some(7));
        self.put(&key(change.key), now + change.time, values, (now, headers)).unwrap();
    }

    fn reads(&self, _now: Timestamp) -> Vec<String> {
        let mut rows = vec![format!("{} {} {:?}", self.len(), SuppressBuffer::bytes(self), self.first_time())];
        while let Some((k, row)) = self.take_first() {
            rows.push(format!("{k} {:?} {:?} {} {:?}", row.prior, row.new, row.timestamp, row.headers));
        }
        rows
    }
}

impl Subject for TimerStore<String> {
    fn change(&self, change: Change, now: Timestamp) {
        match change.what {
            0 => self.cancel(&key(change.key)),
            1 if change.key < 4 => drop(self.fire(now, |_| Ok::<_, Infallible>(()))),
            _ => self.set(key(change.key), now + change.time),
        }
    }

    fn reads(&self, now: Timestamp) -> Vec<String> {
        let mut rows = vec![format!("{}", self.next_due())];
        let fired = self.fire(now + 100, |timer| {
            rows.push(format!("{timer:?}"));
            Ok::<_, Infallible>(())
        });
        fired.unwrap();
        rows
    }

    /// The order; not the numbers that say it, which a rollback leaves out.
    fn counts(value: Vec<u8>) -> Vec<u8> {
        value.chunks(16).flat_map(|timer| timer[..8].to_vec()).collect()
    }
}

impl Subject for VersionedStore<String, i32> {
    fn change(&self, change: Change, now: Timestamp) {
        self.put(key(change.key / 3), (change.what > 0).then_some(change.value), now + change.time);
    }

    fn reads(&self, _now: Timestamp) -> Vec<String> {
        let all = (0..KEYS).flat_map(|number| (-8..80).map(move |time| (key(number), time)));
        all.filter_map(|(k, time)| Some(format!("{k} {time} {:?}", self.get_as_of(&k, time)?))).collect()
    }
}

impl Subject for SeenStore<i64> {
    fn change(&self, change: Change, now: Timestamp) {
        self.pass(change.key.into(), now + change.time, now);
    }

    fn reads(&self, now: Timestamp) -> Vec<String> {
        (0..KEYS.into()).map(|id| format!("{id} {}", self.pass(id, now, now))).collect()
    }
}

fn rows(time_to_live: Option<u64>) -> Store<String, i32> {
    let store = Store::new("rows", Utf8, Be32).version(3);
    match time_to_live {
        Some(ms) => store.time_to_live(Duration::from_millis(ms)),
        None => store,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn key_value_stores(history in history(), time_to_live in prop::option::of(5..20_u64)) {
        check(move |clock| {
            let store = KeyValueStore::new(StoreId(0), rows(time_to_live), clock);
            (store.clone(), store.erased())
        }, &history);
    }

    #[test]
    fn ordered_stores(history in history(), time_to_live in prop::option::of(5..20_u64)) {
        check(move |clock| {
            let store = OrderedStore::new(StoreId(0), rows(time_to_live), clock);
            (store.clone(), store.erased())
        }, &history);
    }

    #[test]
    fn sorted_stores(history in history()) {
        check(|_| {
            let store = SortedStore::new(StoreId(0), rows(None).into());
            (store.clone(), store.erased())
        }, &history);
    }

    #[test]
    fn window_stores(history in history(), hands_out in any::<bool>()) {
        check(move |clock| {
            let store = WindowStore::new(StoreId(0), rows(None), 5, 15, clock.clone());
            if hands_out {
                store.hand_out();
            }
            (store.clone(), store.erased())
        }, &history);
    }

    #[test]
    fn sliding_windows_and_sessions(history in history(), sessions in any::<bool>(), hands_out in any::<bool>()) {
        check(move |clock| {
            let keys = if sessions { SpanKeys::Sessions } else { SpanKeys::Windows(5) };
            let store = Rc::new(SpanRows::new(rows(None), keys, 15, i64::MAX, clock.clone()));
            if hands_out {
                store.hand_out(4);
            }
            (store.clone(), store)
        }, &history);
    }

    #[test]
    fn joined_streams(history in history()) {
        check(|clock| {
            let store = Rc::new(JoinWindowStore::new(rows(None), 15, clock.clone()));
            (store.clone(), store)
        }, &history);
    }

    #[test]
    fn unjoined_records(history in history()) {
        check(|_| {
            let store = Rc::new(UnjoinedStore::new(Arc::new(Utf8), Late));
            (store.clone(), store)
        }, &history);
    }

    #[test]
    fn suppressed_changes(history in history()) {
        check(|_| {
            let store = Rc::new(SuppressBuffer::new(rows(None)));
            (store.clone(), store)
        }, &history);
    }

    #[test]
    fn timers(history in history()) {
        check(|clock| {
            let store = TimerStore::new(StoreId(0), "timers".into(), Utf8, PunctuationType::StreamTime, clock);
            (store.clone(), store.erased())
        }, &history);
    }

    #[test]
    fn versions(history in history()) {
        check(|_| {
            let store = VersionedStore::new(StoreId(0), rows(None), Duration::from_millis(15));
            (store.clone(), store.erased())
        }, &history);
    }

    #[test]
    fn seen_ids(history in history()) {
        check(|_| {
            let store = SeenStore::new(StoreId(0), Store::new("seen", Be64, Be64), 15);
            (store.clone(), store.erased())
        }, &history);
    }
}
