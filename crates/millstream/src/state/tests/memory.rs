//! What stores say that they take, and what was allocated.

use std::alloc::System;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::record::{Headers, Timestamp};
use crate::serde::{Be64, Json, Utf8};
use crate::state::{
    Bounds, JoinSide, JoinWindowStore, KeyValueStore, OrderedStore, SeenStore, SessionStore, SortedStore, StateStore,
    Store, StoreId, SuppressBuffer, TimerStore, Unjoined, UnjoinedStore, VersionedPut, VersionedStore, WindowStore,
};
use crate::time::{Clock, PunctuationType};
use crate::window::Window;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROWS: i64 = 100_000;

/// How many per cent an estimate may be off; and where a serde does not know what a value has on the heap: what is encoded
/// leaves out the vectors and strings themselves, and the room in them.
const OFF: i64 = 25;
const OFF_UNKNOWN: i64 = 40;

/// How many bytes a count by a number of eight bytes may take: the row 40, and a place in the index at most 12.
const BYTES_A_COUNT: i64 = 56;

struct Never;

impl Bounds for Never {
    fn over_at(&self, _side: JoinSide, timestamp: Timestamp) -> Timestamp {
        timestamp + 1_000_000
    }

    fn expired_before(&self, _side: JoinSide, _stream_time: Timestamp) -> Timestamp {
        Timestamp::MIN
    }
}

fn key(row: i64) -> String {
    // In no order.
    format!("a key of {:08x}", (row as u32).wrapping_mul(2_654_435_761))
}

fn text(row: i64) -> String {
    format!("a value of some length, so that it matters: {row}")
}

fn commit(store: &dyn StateStore) {
    store.flush(0, &mut |_, _, _| Ok(())).unwrap();
    store.commit(0);
}

/// Fills a store, and commits now and then; complains if what it says is not about what was allocated.
fn check(name: &str, store: Rc<dyn StateStore>, put: impl Fn(i64), complaints: &mut Vec<String>) {
    let region = Region::new(ALLOCATOR);
    for row in 0..ROWS {
        put(row);
        if row % 1000 == 999 {
            commit(&*store);
        }
    }
    let change = region.change();
    let allocated = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    let size = store.size();
    let off = (size.bytes as i64 - allocated) * 100 / allocated;
    println!("{name}: {allocated} bytes allocated, {} estimated, {off} %, {} rows", size.bytes, size.rows);
    if off.abs() > (if name.contains("JSON") { OFF_UNKNOWN } else { OFF }) || size.rows == 0 {
        complaints.push(format!("{name}: {off} % off, {} rows", size.rows));
    }
}

fn texts() -> Store<String, String> {
    Store::new("rows", Utf8, Utf8)
}

fn check_all() -> Vec<String> {
    let (clock, id) = (Clock::default(), StoreId(0));
    clock.reset(0);
    let mut bad = Vec::new();
    let store = KeyValueStore::new(id, Store::new("counts", Utf8, Be64), &clock);
    check("counts by key", store.erased(), |row| store.put(key(row), row, 0), &mut bad);
    let store = KeyValueStore::new(id, texts(), &clock);
    check("texts by key", store.erased(), |row| store.put(key(row), text(row), 0), &mut bad);
    let store = KeyValueStore::new(id, texts().time_to_live(Duration::from_secs(3600)), &clock);
    check("texts by key that live for a time", store.erased(), |row| store.put(key(row), text(row), row), &mut bad);
    let store = KeyValueStore::new(id, Store::new("json", Utf8, Json), &clock);
    check("JSON by key", store.erased(), |row| store.put(key(row), vec![text(row), text(row)], 0), &mut bad);
    let store = OrderedStore::new(id, texts(), &clock);
    check("texts in order", store.erased(), |row| store.put(key(row), text(row), 0), &mut bad);
    let store = SortedStore::new(id, texts().into());
    check("sorted texts", store.erased(), |row| store.put(key(row), Some(text(row)), 0), &mut bad);
    let store = WindowStore::new(id, texts(), 1000, i64::MAX, clock.clone());
    let put = |row| assert!(store.put(key(row), text(row), row / 1000 * 1000, row));
    check("windows", store.erased(), put, &mut bad);
    let store = SessionStore::new(id, texts(), i64::MAX, clock.clone());
    let put = |row| assert!(store.put(&key(row / 3), Window { start: row, end: row + 5 }, text(row)));
    check("sessions", store.erased(), put, &mut bad);
    let store = Rc::new(JoinWindowStore::new(texts(), i64::MAX, clock.clone()));
    check("a joined stream", store.clone(), |row| drop(store.put(key(row / 3), text(row), row)), &mut bad);
    let store = Rc::new(UnjoinedStore::new(Arc::new(Utf8), Never));
    let wait = |row| store.wait(Unjoined { timestamp: row, side: JoinSide::Left, key: Rc::new(key(row)) }, 0);
    check("unjoined records", store.clone(), wait, &mut bad);
    let store = Rc::new(SuppressBuffer::new(texts()));
    let put = |row| store.put(&key(row), row, (None, Some(text(row))), (row, Headers::default())).unwrap();
    check("suppressed changes", store.clone(), put, &mut bad);
    let store = TimerStore::new(id, "timers".into(), Utf8, PunctuationType::StreamTime, &clock);
    check("timers", store.erased(), |row| store.set(key(row), row), &mut bad);
    let store = VersionedStore::new(id, texts(), Duration::from_secs(1_000_000));
    let put = |row| assert_ne!(store.put(key(row / 3), Some(text(row)), row), VersionedPut::TooLate);
    check("versions", store.erased(), put, &mut bad);
    let store = SeenStore::new(id, Store::new("seen", Utf8, Be64), i64::MAX);
    check("seen ids", store.erased(), |row| assert!(store.pass(key(row), row, 0)), &mut bad);
    bad
}

/// Counts by number take few bytes a row, however many there are: also right after an index has grown.
fn check_counts() -> Vec<String> {
    let (clock, mut bad) = (Clock::default(), Vec::new());
    let region = Region::new(ALLOCATOR);
    let store = KeyValueStore::new(StoreId(0), Store::new("counts", Be64, Be64), &clock);
    for row in 1..=3 * ROWS {
        store.update(&row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64), |count, _| *count = Some(1_i64));
        if row % 1000 == 0 {
            commit(&*store.erased());
            let change = region.change();
            let allocated = (change.bytes_allocated - change.bytes_deallocated) as i64;
            if row >= ROWS && allocated > BYTES_A_COUNT * row {
                bad.push(format!("{row} counts: {allocated} bytes"));
            }
        }
    }
    bad
}

/// In a process of its own: what else allocates would count, too.
#[test]
fn estimates_are_about_what_is_allocated() {
    const ALONE: &str = "MILLSTREAM_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        assert_eq!(check_all(), Vec::<String>::new());
        assert_eq!(check_counts(), Vec::<String>::new());
        return;
    }
    let name = "state::tests::memory::estimates_are_about_what_is_allocated";
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(ALONE, "1").output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}{errors}");
    assert!(output.status.success(), "{said}{errors}");
}
