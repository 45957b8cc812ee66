use super::*;

const KEYS: usize = 400;

fn two() -> Together {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.start("b");
    together.until(|t| t.active("a") == [0, 1] && t.active("b") == [2, 3]);
    together
}

#[test]
fn a_standby_is_never_with_its_owner_and_goes_on() {
    let mut together = two();
    together.pipe(KEYS);
    together.until(|t| t.copied("a") + t.copied("b") == KEYS as u64);
    together.until(|t| t.standby("a") == [2, 3] && t.standby("b") == [0, 1]);
    together.pipe(KEYS);
    together.until(|t| t.copied("a") + t.copied("b") == 2 * KEYS as u64);
    assert_eq!(together.restored("a") + together.restored("b"), 0);
    together.pass(4_000);
    let b = together.processes["a"].instance.instances().get();
    let b = b.iter().find(|instance| &*instance.instance_id == "b").unwrap();
    let tasks = |tasks: &[millstream::worker::AnnouncedTask]| tasks.iter().map(|task| task.task).collect::<Vec<_>>();
    assert_eq!(tasks(&b.announcement.active), [task(2), task(3)]);
    assert_eq!(tasks(&b.announcement.standby), [task(0), task(1)]);
    assert!(b.is_alive && b.announcement.standby.iter().all(|task| task.positions[0] > 0), "{b:?}");
}

#[test]
fn a_standby_that_is_promoted_restores_the_tail_alone() {
    let mut together = two();
    together.pipe(KEYS);
    together.until(|t| t.standby("a") == [2, 3]);
    together.kill("b");
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    assert_eq!(together.restored("a"), 0, "nothing was written after the copy was complete");
    together.pipe(KEYS);
    together.assert_counted(KEYS, 2);
}

#[test]
fn without_standbys_all_is_restored() {
    let mut together = Together::new(|options| options.standby_replicas = 0);
    together.start("a");
    together.start_with("b", |options| options.warmup_timeout_ms = 0);
    together.until(|t| t.active("a") == [0, 1] && t.active("b") == [2, 3]);
    together.pipe(KEYS);
    together.kill("b");
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    assert!(together.restored("a") > KEYS as u64 / 4);
    assert_eq!(together.copied("a"), 0);
    together.pipe(KEYS);
    together.assert_counted(KEYS, 2);
}

#[test]
fn parked_state_becomes_a_standby_and_back() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    together.pipe(KEYS);
    together.start("b");
    // What a gives away it keeps as standbys.
    together.until(|t| t.active("b") == [2, 3] && t.standby("a") == [2, 3]);
    assert_eq!(together.copied("a"), 0, "it was there already");
    together.pipe(KEYS);
    together.until(|t| t.copied("a") > 0 && t.standby("a") == [2, 3]);
    let copied = together.copied("a");
    assert!(copied < KEYS as u64, "only what was written since");
    // A third one takes the standby of a task from a, which parks it; then it is wanted again.
    together.stop("b");
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    assert_eq!((together.restored("a"), together.copied("a")), (0, copied));
    together.pipe(KEYS);
    together.assert_counted(KEYS, 3);
}

#[test]
fn a_standby_that_is_not_wanted_any_more_is_parked_and_goes_on_from_there() {
    let mut together = two();
    together.pipe(KEYS);
    together.until(|t| t.standby("a") == [2, 3] && t.standby("b") == [0, 1]);
    // With one that is the last in the order, owners and copies move.
    together.start("c");
    together.until(|t| t.active("c") == [3] && t.active("a") == [0, 1] && t.active("b") == [2]);
    together.pass(5_000);
    let copies = |t: &Together| ["a", "b", "c"].map(|name| t.standby(name)).concat();
    let mut all = copies(&together);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3], "one of each: {:?}", ["a", "b", "c"].map(|name| together.standby(name)));
    let before = together.copied("a");
    together.stop("c");
    together.until(|t| t.active("b") == [2, 3] && t.standby("a") == [2, 3] && t.standby("b") == [0, 1]);
    assert_eq!(together.copied("a"), before, "a had parked what it was not to keep");
    assert_eq!(together.restored("a") + together.restored("b"), 0);
}

#[test]
fn a_changelog_whose_records_are_gone_is_read_anew() {
    let mut together = two();
    together.pipe(KEYS);
    together.until(|t| t.standby("a") == [2, 3]);
    let changelog = |partition| TopicPartition::new("app-counts-changelog", partition);
    // While a does not read.
    let a = together.processes.remove("a").unwrap();
    together.write(1_000);
    let ends = |t: &Together| t.broker.end_offsets(&[changelog(2)]).unwrap()[0];
    let before = ends(&together);
    for _ in 0..10 {
        together.round();
    }
    let after = ends(&together);
    assert!(before < after, "b goes on for as long as a is in its session");
    together.broker.delete_records(&[(changelog(2), after - 1)]).unwrap();
    together.processes.insert("a", a);
    together.until(|t| t.standby("a") == [2, 3]);
    assert_eq!(together.active("a"), [0, 1]);
}

/// The sum of all values of a table that is kept in its source topic.
fn sum(b: &TopologyBuilder) {
    b.table_from_changelog(&input(), "rows")
        .group_by(Topic::new("all", Utf8, Be64), |_, value| ("sum".to_string(), *value))
        .reduce(Store::new("sum", Utf8, Be64), |sum, value| sum + value, |sum, value| sum - value)
        .to_stream()
        .to(&output());
}

#[test]
fn of_a_source_topic_no_more_is_copied_than_what_is_processed() {
    let mut together = Together::of(sum, CleanupPolicy::Compact, |options| options.commit_interval_ms = 3_000);
    together.start("a");
    together.start("b");
    let states = |t: &Together, name: &str| {
        let status = t.processes[name].instance.status();
        let all = status.iter().flat_map(|worker| worker.tasks()).map(|task| task.state).collect::<Vec<_>>();
        let running = all.iter().filter(|state| **state == TaskState::Running).count();
        (running, all.len() - running)
    };
    together.until(|t| states(t, "a") == (4, 4) && states(t, "b") == (4, 4));
    together.write_value(KEYS, 10);
    together.pass(12_000);
    let copied = together.copied("a");
    assert!(copied >= KEYS as u64 / 3, "{copied}: the rows of b's tasks are copied once they are processed");
    // b has read this when it is killed, and has not committed it.
    together.write_value(KEYS, 7);
    together.pass(1_000);
    assert_eq!(together.copied("a"), copied);
    together.kill("b");
    together.until(|t| states(t, "a") == (8, 0));
    together.pass(20_000);
    // With rows from beyond, 7 would be subtracted where 10 must be.
    assert_eq!(together.results()["sum"].last(), Some(&(7 * KEYS as i64)));
}
