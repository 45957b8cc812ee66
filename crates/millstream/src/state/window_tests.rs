//! Stores of windows, and the suppress buffer, against a model of them: through commits, rollbacks and restores.

use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::{SpanKeys, SpanRows, StateStore, Store, StoreId, SuppressBuffer, WindowStore};
use crate::broker::Message;
use crate::record::{Headers, Timestamp};
use crate::serde::{Be32, Be64};
use crate::time::Clock;
use crate::window::{Window, Windowed};

const RETENTION: i64 = 15;
const CLOSES: i64 = 6;
const SIZE: i64 = 5;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sets a key's row at a time after the clock's.
    Put(i32, i64),
    /// Deletes it.
    Delete(i32, i64),
    /// Time goes on, and what is due is handed out.
    Advance(i64),
    Commit,
    /// Goes back to the last commit; if so, after the rows were written.
    Rollback(bool),
    /// A new store gets what is in the changelog.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..4, 0..12_i64).prop_map(|(key, after)| Step::Put(key, after)),
        2 => (0..4, 0..12_i64).prop_map(|(key, after)| Step::Delete(key, after)),
        3 => (1..9_i64).prop_map(Step::Advance),
        3 => Just(Step::Commit),
        2 => any::<bool>().prop_map(Step::Rollback),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..60)
}

/// A changelog: what its last records say.
#[derive(Clone, Default)]
struct Changelog(BTreeMap<Vec<u8>, (Vec<u8>, Timestamp)>);

impl Changelog {
    fn flush(&mut self, store: &dyn StateStore, time: Timestamp) {
        let written = store.flush(time, &mut |key, value, timestamp| {
            match value {
                Some(value) => drop(self.0.insert(key.to_vec(), (value.to_vec(), timestamp))),
                None => drop(self.0.remove(key)),
            }
            Ok(())
        });
        written.unwrap();
    }

    fn restore(&self, store: &dyn StateStore) {
        for (key, (value, timestamp)) in &self.0 {
            let (key, value) = (Some(&key[..]), Some(&value[..]));
            let message = Message { offset: 0, timestamp: *timestamp, key, value, headers: Headers::default() };
            store.restore(&message).unwrap();
        }
        store.restored();
    }
}

/// Windows by end, start and key, and what was handed out: those that end earlier.
#[derive(Clone, Default)]
struct Model {
    time: Timestamp,
    /// The end of the latest window.
    latest: Timestamp,
    windows: BTreeMap<(i64, i64, i32), i64>,
}

/// What the model and the store are told of.
type Handed = Vec<(Windowed<i32>, i64)>;

/// A store of windows under test.
trait Subject {
    fn erased(&self) -> Rc<dyn StateStore>;
    fn set(&self, key: i32, window: Window, value: Option<i64>);
    fn take(&self, time: Timestamp) -> Handed;
    fn next(&self) -> Timestamp;
    fn rows(&self) -> Handed;
}

impl Subject for Rc<SpanRows<i32, i64>> {
    fn erased(&self) -> Rc<dyn StateStore> {
        self.clone()
    }

    fn set(&self, key: i32, window: Window, value: Option<i64>) {
        self.change(&key, |spans| match (value, spans.position(window)) {
            (Some(_), _) => drop(spans.put(window, value, 0)),
            (None, Ok(index)) => drop(spans.drain(index..index + 1)),
            (None, Err(_)) => {}
        });
    }

    fn take(&self, time: Timestamp) -> Handed {
        without_times(self.take_closed(time).unwrap())
    }

    fn next(&self) -> Timestamp {
        self.next_close()
    }

    fn rows(&self) -> Handed {
        let mut rows = Vec::new();
        for key in 0..4 {
            self.with(&key, |list| {
                let live = list.iter().filter(|span| span.window.end >= self.live_from());
                rows.extend(live.map(|span| (Windowed { key, window: span.window }, span.value.unwrap())));
            });
        }
        in_order(rows)
    }
}

impl Subject for WindowStore<i32, i64> {
    fn erased(&self) -> Rc<dyn StateStore> {
        WindowStore::erased(self)
    }

    fn set(&self, key: i32, window: Window, value: Option<i64>) {
        let taken = match value {
            Some(value) => self.put(key, value, window.start, 0),
            None => self.delete(key, window.start, 0),
        };
        assert!(taken);
    }

    fn take(&self, time: Timestamp) -> Handed {
        without_times(self.take_expired(time).unwrap())
    }

    fn next(&self) -> Timestamp {
        self.next_expiry()
    }

    fn rows(&self) -> Handed {
        let mut rows = Vec::new();
        self.fetch_all(.., |window, key, value, _| rows.push((Windowed { key: *key, window }, *value)));
        in_order(rows)
    }
}

/// Runs steps on a store and on the model of it.
fn compare<S: Subject>(steps: &[Step], retention: i64, behind: i64, make: impl Fn(Clock) -> S) {
    let clock = Clock::default();
    clock.reset(0);
    let mut store = make(clock.clone());
    let (mut model, mut committed, mut changelog) = (Model::default(), Model::default(), Changelog::default());
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Put(key, after) | Step::Delete(key, after) => {
                let end = model.time + after + 1;
                let window = Window { start: end - SIZE, end };
                let value = matches!(step, Step::Put(..)).then_some(number as i64);
                store.set(key, window, value);
                if value.is_some() {
                    model.latest = model.latest.max(end);
                }
                match value {
                    Some(value) => drop(model.windows.insert((end, window.start, key), value)),
                    None => drop(model.windows.remove(&(end, window.start, key))),
                }
            }
            Step::Advance(by) => {
                let before = model.time;
                model.time += by;
                clock.advance_sources(model.time);
                let closed = |time: i64| move |end: i64| end + CLOSES <= time;
                let due =
                    model.windows.iter().filter(|((end, ..), _)| closed(model.time)(*end) && !closed(before)(*end));
                let expected: Handed = due.map(|(at, value)| (windowed(*at), *value)).collect();
                let taken = if store.next() <= model.time { store.take(model.time) } else { Vec::new() };
                assert_eq!(taken, expected);
                assert!(store.next() > model.time);
            }
            Step::Commit => {
                changelog.flush(&*store.erased(), model.time);
                store.erased().commit(model.time);
                committed = model.clone();
            }
            Step::Rollback(flushed) => {
                if flushed {
                    changelog.clone().flush(&*store.erased(), model.time);
                }
                store.erased().rollback();
                model = committed.clone();
                clock.reset(model.time);
            }
            Step::Restart => {
                model = committed.clone();
                let live = model.windows.keys().filter(|(end, ..)| *end + retention > model.time);
                model.latest = live.map(|(end, ..)| *end).max().unwrap_or_default();
                committed.latest = model.latest;
                clock.reset(model.time);
                store = make(clock.clone());
                changelog.restore(&*store.erased());
            }
        }
        let is_live =
            |end: i64| end + retention > model.time && end.saturating_add(behind) > model.latest.min(model.time);
        let live = model.windows.iter().filter(|((end, ..), _)| is_live(*end));
        let expected: Vec<_> = live.map(|(at, value)| (windowed(*at), *value)).collect();
        assert_eq!(store.rows(), expected, "after step {number}, {step:?}");
    }
}

fn windowed((end, start, key): (i64, i64, i32)) -> Windowed<i32> {
    Windowed { key, window: Window { start, end } }
}

fn store() -> Store<i32, i64> {
    Store::new("store", Be32, Be64)
}

fn without_times(rows: Vec<(Windowed<i32>, i64, Timestamp)>) -> Handed {
    rows.into_iter().map(|(key, value, _)| (key, value)).collect()
}

fn in_order(mut rows: Handed) -> Handed {
    rows.sort_by_key(|(key, _)| (key.window.end, key.window.start, key.key));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_that_lie_anywhere(steps in steps(), sessions in any::<bool>()) {
        let keys = if sessions { SpanKeys::Sessions } else { SpanKeys::Windows(SIZE) };
        let behind = if sessions { 8 } else { i64::MAX };
        compare(&steps, RETENTION, behind, |clock| {
            let rows = Rc::new(SpanRows::new(store(), keys, RETENTION, behind, clock));
            rows.hand_out(CLOSES);
            rows
        });
    }

    /// Here a window is handed out when its retention is over.
    #[test]
    fn windows_of_one_size(steps in steps()) {
        compare(&steps, CLOSES, i64::MAX, |clock| {
            let store = WindowStore::new(StoreId(0), store(), SIZE, SIZE + CLOSES, clock);
            store.hand_out();
            store
        });
    }

    #[test]
    fn suppressed_changes(steps in steps()) {
        let make = || Rc::new(SuppressBuffer::new(store()));
        let (mut buffer, mut changelog) = (make(), Changelog::default());
        // By time and key; and how many values are held, each with what was before.
        let mut model: BTreeMap<(i64, i32), (Option<i64>, Option<i64>)> = BTreeMap::new();
        let mut committed = model.clone();
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Put(key, time) | Step::Delete(key, time) => {
                    let new = matches!(step, Step::Put(..)).then_some(number as i64);
                    let mut headers = Headers::default();
                    headers.push("header", None);
                    buffer.put(&key, time, (Some(-1), new), (number as i64, headers)).unwrap();
                    match model.iter_mut().find(|((_, held), _)| *held == key) {
                        Some((_, row)) => row.1 = new,
                        None => drop(model.insert((time, key), (Some(-1), new))),
                    }
                }
                Step::Advance(_) => {
                    let taken = buffer.take_first().map(|(key, row)| (key, (row.prior, row.new)));
                    prop_assert_eq!(taken, model.pop_first().map(|((_, key), row)| (key, row)));
                }
                Step::Commit => {
                    changelog.flush(&*buffer, 0);
                    buffer.commit(0);
                    committed = model.clone();
                }
                Step::Rollback(flushed) => {
                    if flushed {
                        changelog.clone().flush(&*buffer, 0);
                    }
                    buffer.rollback();
                    model = committed.clone();
                }
                Step::Restart => {
                    model = committed.clone();
                    buffer = make();
                    changelog.restore(&*buffer);
                }
            }
            prop_assert_eq!(buffer.len(), model.len() as u64);
            prop_assert_eq!(buffer.first_time(), model.keys().next().map(|(time, _)| *time));
            let bytes = |row: &(_, Option<i64>)| 8 + 4 + 8 + if row.1.is_some() { 8 } else { 0 } + "header".len() as u64;
            prop_assert_eq!(buffer.bytes(), model.values().map(bytes).sum::<u64>(), "after step {}", number);
        }
    }
}

/// A bounded run hands out what its clock has not closed. A later run goes on from the clock: with new windows.
#[test]
fn what_a_run_hands_out_at_its_end_is_gone() {
    let clock = Clock::default();
    clock.reset(100);
    let rows = Rc::new(SpanRows::new(store(), SpanKeys::Sessions, CLOSES, i64::MAX, clock));
    rows.hand_out(CLOSES);
    let window = |end| Window { start: 90, end };
    rows.set(1, window(95), Some(1));
    rows.set(2, window(105), Some(2));
    let handed = |end, key, value| (Windowed { key, window: window(end) }, value);
    assert_eq!(rows.take(Timestamp::MAX), [handed(95, 1, 1), handed(105, 2, 2)]);
    assert_eq!(rows.next(), Timestamp::MAX);
    let mut changelog = Changelog::default();
    changelog.flush(&*rows.erased(), 100);
    rows.erased().commit(100);
    assert_eq!(changelog.0.len(), usize::from(changelog.0.contains_key(&b"closed"[..])));
    rows.set(2, window(105), Some(3));
    assert_eq!(rows.next(), 105 + CLOSES);
    assert_eq!(rows.take(105 + CLOSES), [handed(105, 2, 3)]);
}

/// A task comes back to its parked store, and finds in the changelog what another instance did meanwhile.
#[test]
fn a_window_that_comes_by_a_restore_is_handed_out() {
    let clock = Clock::default();
    let rows = SpanRows::new(store(), SpanKeys::Windows(SIZE), RETENTION, i64::MAX, clock.clone());
    rows.hand_out(CLOSES);
    rows.change(&1, |spans| {
        spans.put(Window { start: 0, end: SIZE }, Some(7), 0);
    });
    clock.advance_sources(SIZE + CLOSES);
    assert_eq!(rows.take_closed(SIZE + CLOSES).unwrap().len(), 1);
    rows.commit(SIZE + CLOSES);
    assert_eq!(rows.next_close(), Timestamp::MAX);

    let key = [&1_i32.to_be_bytes()[..], &10_i64.to_be_bytes(), &[0; 4]].concat();
    let value = 8_i64.to_be_bytes();
    let record =
        Message { offset: 0, timestamp: 10, key: Some(&key), value: Some(&value), headers: Headers::default() };
    rows.restore(&record).unwrap();
    assert_eq!(rows.next_close(), 10 + SIZE + CLOSES);
    let handed_out = rows.take_closed(10 + SIZE + CLOSES).unwrap();
    assert_eq!(handed_out.iter().map(|(_, value, _)| *value).collect::<Vec<_>>(), [8]);
}
