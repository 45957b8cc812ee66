use super::*;

const KEYS: usize = 400;

#[test]
fn the_first_instance_joins_at_once() {
    let mut together = Together::new(|_| ());
    together.start("a");
    assert_eq!(together.processes["a"].instance.phase(), Phase::Running);
}

#[test]
fn who_comes_to_others_restores_first_and_joins_then() {
    let mut together = Together::new(|options| (options.standby_replicas, options.acceptable_recovery_lag) = (0, 5));
    together.start("a");
    together.pipe(KEYS);
    together.start("b");
    assert_eq!(together.processes["b"].instance.phase(), Phase::Warming);
    together.until(|t| t.processes["b"].instance.phase() == Phase::Running);
    assert_eq!(together.active("a"), [0, 1, 2, 3], "nobody has stood still");
    assert_eq!(together.standby("b"), [2, 3]);
    let copied = together.copied("b");
    assert!(copied > 0);
    together.until(|t| t.active("b") == [2, 3] && t.active("a") == [0, 1]);
    assert_eq!((together.restored("b"), together.copied("b")), (0, copied));
    together.pipe(KEYS);
    together.assert_counted(KEYS, 2);
}

#[test]
fn others_that_are_dead_are_not_waited_for_long() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.pipe(KEYS);
    together.kill("a");
    together.start("b");
    let started = together.now;
    together.until(|t| t.processes["b"].instance.phase() == Phase::Running);
    assert!(together.now - started < 1_000, "after {} ms", together.now - started);
    together.until(|t| t.active("b") == [0, 1, 2, 3]);
    let (restored, copied) = (together.restored("b"), together.copied("b"));
    assert!(copied > 0 && restored + copied == KEYS as u64, "{restored} and {copied}");
    together.pipe(KEYS);
    together.assert_counted(KEYS, 2);
}

/// Writes a row of a task's changelog that cannot be read, so that no copy of the task is ever complete.
fn spoil(together: &Together, partition: i32) {
    let mut producer = together.broker.producer(&["app-counts-changelog".into()]).unwrap();
    let (topic, key, value, headers) = (TopicId(0), Some(&b"k"[..]), Some(&b"short"[..]), &Headers::default());
    producer.send(Outgoing { topic, partition: Some(partition), timestamp: 1, key, value, headers }).unwrap();
}

#[test]
fn warming_up_ends_with_its_time() {
    let mut together = Together::new(|options| options.warmup_timeout_ms = 20_000);
    together.start("a");
    together.pipe(KEYS);
    spoil(&together, 2);
    together.start("b");
    let started = together.now;
    together.until(|t| t.processes["b"].instance.phase() == Phase::Running);
    assert!((19_000..21_000).contains(&(together.now - started)), "after {} ms", together.now - started);
}

#[test]
fn who_is_dead_is_not_taken_for_alive_by_what_it_said_before() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.pipe(KEYS);
    together.kill("a");
    spoil(&together, 2);
    together.start("b");
    let started = together.now;
    together.until(|t| t.processes["b"].instance.phase() == Phase::Running);
    assert!((5_000..9_000).contains(&(together.now - started)), "after {} ms", together.now - started);
}

#[test]
fn a_static_member_whose_tasks_wait_for_it_joins_at_once() {
    let mut together = Together::new(|options| options.static_membership = true);
    together.start("a");
    together.start("b");
    together.until(|t| t.active("b") == [2, 3]);
    together.pipe(KEYS);
    together.kill("b");
    together.start("b");
    let started = together.now;
    together.until(|t| t.processes["b"].instance.phase() == Phase::Running);
    assert!(together.now - started <= 2 * ROUND_MS, "after {} ms", together.now - started);
}

#[test]
fn one_that_warms_up_can_be_stopped() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.pipe(KEYS);
    together.start("b");
    together.stop("b");
    assert_eq!(together.active("a"), [0, 1, 2, 3]);
}
