//! User code that panics anywhere in an operation of a store, or as its rows are written: a rollback then brings back what was
//! committed, and all goes on as if nothing had been.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::fragile::{Fragile, FragileSerde, LEFT, call, f};
use super::{Kept, Logged};
use crate::broker::Message;
use crate::record::{Headers, Timestamp};
use crate::state::{
    Bounds, JoinSide, JoinWindowStore, KeyValueStore, OrderedStore, PartialRows, SeenStore, SnapshotCursor,
    SortedStore, SpanKeys, SpanRows, StateStore, Store, StoreId, SuppressBuffer, TimerStore, Unjoined, UnjoinedStore,
    VersionedStore, WindowStore,
};
use crate::time::{Clock, PunctuationType};
use crate::window::Window;

fn rows() -> Store<Fragile, Fragile> {
    Store::new("rows", FragileSerde, FragileSerde)
}

/// All committed rows, by their keys' bytes.
fn committed<S>(kept: &Kept<S>) -> Vec<Logged> {
    let (mut cursor, mut rows) = (SnapshotCursor::default(), Vec::new());
    while !cursor.is_done() {
        kept.snapshot(&mut cursor, 100, &mut rows);
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn flush<S>(kept: &Kept<S>) -> usize {
    let mut written = 0;
    let flushed = kept.versions.flush(&*kept.store, kept.clock.now(), &mut |_, _, _, _| {
        written += 1;
        Ok(())
    });
    flushed.unwrap();
    written
}

/// Works, commits, and does so again once a lot of time has gone by; gives what was seen.
fn go_on<S>(kept: &mut Kept<S>, work: &impl Fn(&Kept<S>, i64) -> String) -> Vec<String> {
    let mut seen = vec![work(kept, 0)];
    kept.commit();
    kept.clock.advance_sources(1000);
    seen.push(work(kept, 1000));
    kept.commit();
    seen.push(format!("{:?}", kept.store.size().rows));
    seen
}

/// `work` gets the time at which it begins.
fn check<S: 'static>(
    make: impl Fn(&Clock) -> (S, Rc<dyn StateStore>) + Copy + 'static,
    prepare: impl Fn(&S),
    work: impl Fn(&Kept<S>, i64) -> String,
) {
    let begin = || {
        let mut kept = Kept::new(make);
        prepare(&kept.handle);
        kept.commit();
        kept
    };
    let mut undisturbed = begin();
    let expected = go_on(&mut undisturbed, &work);
    let mut calls = 0;
    loop {
        calls += 1;
        let mut kept = begin();
        let (before, size) = (committed(&kept), kept.store.size().rows);
        LEFT.set(calls);
        let done = catch_unwind(AssertUnwindSafe(|| {
            work(&kept, 0);
            flush(&kept);
        }));
        LEFT.set(0);
        if done.is_ok() {
            break;
        }
        kept.rollback();
        assert_eq!(committed(&kept), before, "after a panic in call {calls}");
        assert_eq!(kept.store.size().rows, size, "after a panic in call {calls}");
        assert_eq!(flush(&kept), 0, "after a panic in call {calls}");
        assert_eq!(go_on(&mut kept, &work), expected, "after a panic in call {calls}");
        // Numbers of timers go on after a rollback.
        let log = |kept: &Kept<S>| {
            let row = |row: &Logged| (row.key.clone(), row.value.as_ref().map(Vec::len), row.timestamp);
            kept.changelog.log.iter().map(row).collect::<Vec<_>>()
        };
        assert_eq!(log(&kept), log(&undisturbed), "after a panic in call {calls}");
    }
    assert!(calls > 20, "{calls} calls of user code");
}

/// As an aggregator that panics when it has changed the value already.
fn add(number: i64, t: Timestamp) -> impl FnOnce(&mut Option<Fragile>, &mut Timestamp) {
    move |value, time| {
        *value = Some(f(value.take().map_or(0, |value| *value.0) + number));
        call();
        *time = t.max(*time);
        call();
    }
}

fn key_value_stores(time_to_live: Option<Duration>) {
    let store = move || time_to_live.map_or(rows(), |limit| rows().time_to_live(limit));
    check(
        move |clock| {
            let handle = KeyValueStore::new(StoreId(0), store(), clock);
            (handle.clone(), handle.erased())
        },
        |store| (0..5).for_each(|key| store.put(f(key), f(key), key)),
        |kept, t| {
            let store = &kept.handle;
            store.put(f(1), f(11), t + 1);
            store.update(&f(0), add(10, t + 2));
            store.delete(f(2), t + 2);
            kept.clock.advance_sources(t + 9);
            store.update(&f(2), add(10, t + 2));
            store.update(&f(8), add(10, t + 3));
            store.update(&f(8), add(10, t + 3));
            store.put(f(9), f(9), t + 4);
            store.put(f(1), f(12), t + 5);
            store.delete(f(9), t + 6);
            format!("{:?}", (0..10).map(|key| store.get(&f(key))).collect::<Vec<_>>())
        },
    );
}

#[test]
fn key_value_stores_that_keep() {
    key_value_stores(None);
}

#[test]
fn key_value_stores_with_a_time_to_live() {
    key_value_stores(Some(Duration::from_millis(7)));
}

#[test]
fn ordered_stores() {
    check(
        |clock| {
            let handle = OrderedStore::new(StoreId(0), rows(), clock);
            (handle.clone(), handle.erased())
        },
        |store| (0..5).for_each(|key| store.put(f(key), f(key), key)),
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            store.put(f(1), f(11), t + 1);
            store.update(&f(0), add(10, t + 2));
            store.delete(f(2), t + 2);
            store.update(&f(2), add(10, t + 2));
            store.update(&f(8), add(10, t + 3));
            store.put(f(9), f(9), t + 4);
            store.delete(f(9), t + 6);
            store.range(f(1)..f(9), |key, value, time| seen.push(format!("{key:?} {value:?} {time}")));
            seen.concat()
        },
    );
}

#[test]
fn sorted_stores() {
    check(
        |_| {
            let handle = SortedStore::new(StoreId(0), rows().into());
            (handle.clone(), handle.erased())
        },
        |store| (0..5).for_each(|key| store.put(f(key), Some(f(key)), key)),
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            store.put(f(1), Some(f(11)), t + 1);
            store.put(f(2), None, t + 2);
            store.put(f(8), Some(f(8)), t + 3);
            store.put(f(9), Some(f(9)), t + 4);
            store.put(f(9), None, t + 5);
            store.put(f(1), Some(f(12)), t + 6);
            let looked: Result<(), Infallible> = store.for_each_from(&f(0), |key, value| {
                seen.push(format!("{key:?} {value:?}"));
                Ok(true)
            });
            looked.unwrap();
            seen.concat()
        },
    );
}

fn window_stores(hands_out: bool) {
    check(
        move |clock| {
            let store = WindowStore::new(StoreId(0), rows(), 5, 15, clock.clone());
            if hands_out {
                store.hand_out();
            }
            (store.clone(), store.erased())
        },
        |store| {
            for key in 0..4 {
                store.put(f(key), f(key), 0, key);
                store.put(f(key), f(key), 5, key);
            }
        },
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            store.put(f(1), f(11), t, t + 1);
            store.delete(f(2), t + 5, t + 6);
            store.update(&f(0), t, add(10, t + 2));
            store.update(&f(7), t + 5, add(10, t + 7));
            store.update(&f(7), t + 10, add(10, t + 12));
            kept.clock.advance_sources(t + 15);
            store.fetch_all(.., |window, key, value, time| seen.push(format!("{window:?} {key:?} {value:?} {time}")));
            seen.sort();
            if hands_out {
                seen.push(format!("{:?}", store.take_expired(t + 15).map_err(|error| error.to_string())));
            }
            seen.push(store.next_expiry().to_string());
            seen.concat()
        },
    );
}

#[test]
fn window_stores_that_drop_windows() {
    window_stores(false);
}

#[test]
fn window_stores_that_hand_windows_out() {
    window_stores(true);
}

fn spans(keys: SpanKeys, hands_out: bool) {
    check(
        move |clock| {
            let store = Rc::new(SpanRows::new(rows(), keys, 15, i64::MAX, clock.clone()));
            if hands_out {
                store.hand_out(4);
            }
            (store.clone(), store)
        },
        |store| {
            for key in 0..5 {
                store.change(&f(key), |spans| {
                    let windows = [Window { start: key, end: key + 5 }, Window { start: key + 9, end: key + 14 }];
                    windows.into_iter().for_each(|window| drop(spans.put(window, Some(f(key)), window.end)));
                });
            }
        },
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            for key in [0, 3, 8] {
                store.change(&f(key), |spans| {
                    call();
                    drop(spans.put(Window { start: t + 2, end: t + 7 }, Some(f(20)), t + 7));
                    call();
                });
            }
            store.change(&f(3), |spans| drop(spans.drain(0..1)));
            kept.clock.advance_sources(t + 21);
            if hands_out {
                seen.push(format!("{:?}", store.take_closed(t + 14).map_err(|error| error.to_string())));
                kept.clock.advance_sources(t + 24);
            }
            for key in 0..9 {
                store.with(&f(key), |list| {
                    seen.extend(list.iter().map(|span| format!("{:?} {:?}", span.window, span.value)));
                });
            }
            seen.concat()
        },
    );
}

#[test]
fn sessions() {
    spans(SpanKeys::Sessions, false);
}

#[test]
fn sessions_that_are_handed_out() {
    spans(SpanKeys::Sessions, true);
}

#[test]
fn sliding_windows_that_are_handed_out() {
    spans(SpanKeys::Windows(5), true);
}

#[test]
fn joined_streams() {
    check(
        |clock| {
            let store = Rc::new(JoinWindowStore::new(rows(), 15, clock.clone()));
            (store.clone(), store)
        },
        |store| (0..6).for_each(|key| drop(store.put(f(key), f(key), key))),
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            for (key, time) in [(1, 1), (1, 5), (1, 5), (8, 7), (3, 18), (3, 3)] {
                store.put(f(key), f(time), t + time);
            }
            kept.clock.advance_sources(t + 18);
            for key in 0..9 {
                let fetched: Result<(), Infallible> = store.fetch(&f(key), (0, t + 30), |_, time, number, value| {
                    seen.push(format!("{time} {number} {value:?}"));
                    Ok(())
                });
                fetched.unwrap();
            }
            seen.concat()
        },
    );
}

struct TenAndFifteen;

impl Bounds for TenAndFifteen {
    fn over_at(&self, _side: JoinSide, timestamp: i64) -> i64 {
        timestamp + 10
    }

    fn expired_before(&self, _side: JoinSide, stream_time: i64) -> i64 {
        stream_time - 15
    }
}

#[test]
fn unjoined_records() {
    let unjoined = |key: i64, timestamp: i64| Unjoined { timestamp, side: JoinSide::Left, key: Rc::new(f(key)) };
    check(
        |_| {
            let store = Rc::new(UnjoinedStore::new(Arc::new(FragileSerde), TenAndFifteen));
            (store.clone(), store)
        },
        |store| {
            (0..4).for_each(|key| store.wait(unjoined(key, key), 0));
            (0..4).for_each(|key| store.told(unjoined(key, key + 5), 0));
        },
        |kept, t| {
            let store = &kept.handle;
            store.wait(unjoined(8, t + 2), 0);
            let joined = [store.join(unjoined(1, 1), 0), store.join(unjoined(1, 6), 0)];
            store.told(unjoined(9, t + 3), 0);
            kept.clock.advance_sources(t + 21);
            let due = store.take_due(t + 12).map_err(|error| error.to_string());
            let due =
                due.map(|due| due.into_iter().map(|(of, number)| (of.timestamp, of.key, number)).collect::<Vec<_>>());
            format!("{joined:?} {due:?} {}", store.due())
        },
    );
}

#[test]
fn suppressed_changes() {
    check(
        |_| {
            let store = Rc::new(SuppressBuffer::new(rows()));
            (store.clone(), store)
        },
        |store| {
            for key in 0..5 {
                store.put(&f(key), key, (None, Some(f(key))), (key, Headers::default())).unwrap();
            }
        },
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            for key in [1, 8, 8] {
                let mut headers = Headers::default();
                headers.push("name", Some(vec![1, 2]));
                store.put(&f(key), t + key, (Some(f(1)), Some(f(2))), (t + key, headers)).unwrap();
            }
            for _ in 0..3 {
                let taken = store.take_first().map(|(key, row)| (key, row.prior, row.new, row.timestamp));
                seen.push(format!("{taken:?} {} {} {:?}", store.len(), store.bytes(), store.first_time()));
            }
            store.put(&f(0), t + 9, (Some(f(1)), None), (t + 9, Headers::default())).unwrap();
            seen.push(format!("{} {} {:?}", store.len(), store.bytes(), store.first_time()));
            seen.concat()
        },
    );
}

#[test]
fn timers() {
    check(
        |clock| {
            let kind = PunctuationType::StreamTime;
            let store = TimerStore::new(StoreId(0), "timers".into(), FragileSerde, kind, clock);
            (store.clone(), store.erased())
        },
        |store| (0..6).for_each(|key| store.set(f(key % 4), 10 + key)),
        |kept, t| {
            let (store, mut seen) = (&kept.handle, Vec::new());
            store.set(f(1), t + 5);
            store.set(f(8), t + 6);
            store.set(f(8), t + 30);
            store.cancel(&f(0));
            store.cancel_at(&f(1), 15);
            let fired: Result<(), Infallible> = store.fire(t + 12, |timer| {
                seen.push(format!("{timer:?}"));
                call();
                store.set(f(9), timer.at + 50);
                Ok(())
            });
            fired.unwrap();
            seen.push(store.next_due().to_string());
            (0..10).for_each(|key| seen.push(format!("{:?}", store.of(&f(key)))));
            seen.concat()
        },
    );
}

#[test]
fn versions() {
    check(
        |_| {
            let store = VersionedStore::new(StoreId(0), rows(), Duration::from_millis(15));
            (store.clone(), store.erased())
        },
        |store| {
            for key in 0..4 {
                store.put(f(key), Some(f(key)), key);
                store.put(f(key), Some(f(key)), key + 5);
            }
        },
        |kept, t| {
            let store = &kept.handle;
            let puts = [(1, 2), (1, 6), (2, 9), (8, 9), (0, 20), (0, 1)];
            let puts = puts.map(|(key, time)| store.put(f(key), (time != 9).then(|| f(time)), t + time));
            let seen = (0..9).map(|key| (store.get(&f(key)), store.get_as_of(&f(key), t + 6)));
            format!("{puts:?} {:?}", seen.collect::<Vec<_>>())
        },
    );
}

#[test]
fn seen_ids() {
    check(
        |_| {
            let store = SeenStore::new(StoreId(0), Store::new("seen", FragileSerde, crate::serde::Be64), 15);
            (store.clone(), store.erased())
        },
        |store| assert!((0..5).all(|id| store.pass(f(id), id, 4))),
        |kept, t| {
            kept.clock.advance_sources(t + 17);
            let ids = [(1, 3), (8, 5), (3, 16), (0, 17), (8, 6), (9, 17)];
            format!("{:?}", ids.map(|(id, time)| kept.handle.pass(f(id), t + time, t + 17)))
        },
    );
}

#[test]
fn partial_aggregates() {
    for calls in 1.. {
        let rows = PartialRows::default();
        LEFT.set(calls);
        let done = catch_unwind(AssertUnwindSafe(|| {
            for key in [1, 2, 4, 1] {
                rows.update(f(key), key, |key, sum: &mut Option<Fragile>| *sum = Some(key.clone()));
            }
        }));
        LEFT.set(0);
        if done.is_ok() {
            assert!(calls > 8);
            break;
        }
        rows.rollback();
        assert_eq!(rows.take().count(), 0);
        rows.update(f(1), 5, |key, sum| *sum = Some(key.clone()));
        let taken: Vec<_> = rows.take().map(|(key, sum, time)| (*key.0, *sum.0, time)).collect();
        assert_eq!(taken, [(1, 1, 5)]);
    }
}

const RESTORED: [(i64, Option<i64>); 6] =
    [(1, Some(2)), (4, Some(3)), (1, Some(4)), (7, None), (4, None), (7, Some(5))];

fn restore(store: &dyn StateStore, (key, value): (i64, Option<i64>)) {
    let (key, value) = (key.to_be_bytes(), value.map(i64::to_be_bytes));
    let (value, headers) = (value.as_ref().map(|value| &value[..]), Headers::default());
    store.restore(&Message { offset: 0, timestamp: 1, key: Some(&key), value, headers }).unwrap();
}

fn panics(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

/// Rows, bytes, and the rows themselves.
fn content(store: &dyn StateStore) -> (u64, u64, Vec<Vec<u8>>) {
    let (mut cursor, mut rows) = (SnapshotCursor::default(), Vec::new());
    let handed_out = store.snapshot(&mut cursor, 100, &mut |key, value, _| {
        rows.push([key, value.unwrap_or_default()].concat());
        Ok(())
    });
    handed_out.unwrap();
    rows.sort();
    let size = store.size();
    (size.rows, size.bytes, rows)
}

type MakeStore<'a> = &'a dyn Fn() -> Rc<dyn StateStore>;

fn kinds() -> [MakeStore<'static>; 2] {
    [&|| KeyValueStore::new(StoreId(0), rows(), &Clock::default()).erased(), &|| {
        OrderedStore::new(StoreId(0), rows(), &Clock::default()).erased()
    }]
}

/// Restores rows, each again if it panics; gives what is there then.
fn restored(make: MakeStore<'_>, calls: u32) -> (bool, (u64, u64, Vec<Vec<u8>>)) {
    let store = make();
    let mut panicked = false;
    LEFT.set(calls);
    for row in RESTORED {
        let restore = || {
            restore(&*store, row);
            store.restored();
        };
        if panics(restore) {
            panicked = true;
            restore();
        }
    }
    LEFT.set(0);
    (panicked, content(&*store))
}

/// Rows of a source topic that panic are left out, and the store goes on.
#[test]
fn a_row_that_panics_in_a_restore_changes_nothing() {
    for make in kinds() {
        let (_, expected) = restored(make, 0);
        assert_eq!(expected.0, 2);
        for calls in 1.. {
            let found = restored(make, calls);
            if !found.0 {
                assert!(calls > 15, "{calls} calls of user code");
                break;
            }
            assert_eq!(found, (true, expected.clone()), "after a panic in call {calls}");
        }
    }
}

/// The rows that are taken together with it are restored.
#[test]
fn a_row_that_panics_in_a_restore_is_left_out_alone() {
    for make in kinds() {
        let without = |left_out: usize| {
            let store = make();
            let rows = RESTORED.into_iter().enumerate().filter(|(number, _)| *number != left_out);
            rows.for_each(|(_, row)| restore(&*store, row));
            store.restored();
            content(&*store).2
        };
        let expected: Vec<_> = (0..RESTORED.len()).map(without).collect();
        for calls in 1.. {
            let store = make();
            LEFT.set(calls);
            let mut left_out = RESTORED.into_iter().filter(|row| panics(|| restore(&*store, *row))).count();
            while panics(|| store.restored()) {
                left_out += 1;
            }
            LEFT.set(0);
            if left_out == 0 {
                assert!(calls > 15, "{calls} calls of user code");
                break;
            }
            assert_eq!(left_out, 1);
            let found = content(&*store).2;
            assert!(expected.contains(&found), "after a panic in call {calls}: {found:?}");
        }
    }
}
