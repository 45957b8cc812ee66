use super::*;

const KEYS: usize = 400;

/// Two instances, of which the second has processed records and is killed before it has committed them.
fn killed_before_its_commit(change: impl FnOnce(&mut Options)) -> Together {
    let mut together = Together::new(|options| {
        options.commit_interval_ms = 1_000;
        change(options);
    });
    together.start("a");
    together.start("b");
    together.until(|t| t.active("a") == [0, 1] && t.active("b") == [2, 3]);
    together.pipe(KEYS);
    together.pass(4_000);
    let count = |t: &Together| {
        let status = t.processes["b"].instance.status();
        (status[0].consumed.load(Ordering::Relaxed), status[0].commits.load(Ordering::Relaxed))
    };
    // After a pause a commit comes with the first records: so these are the second ones.
    for _ in 0..2 {
        let (before, _) = count(&together);
        together.write(KEYS);
        together.until(|t| count(t).0 > before);
    }
    let (_, commits) = count(&together);
    together.round();
    assert_eq!(count(&together).1, commits, "it has not committed these");
    together.kill("b");
    together
}

#[test]
fn the_transaction_of_who_is_dead_is_ended_when_its_tasks_are_taken_over() {
    let mut together = killed_before_its_commit(|_| ());
    let killed = together.now;
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    let taken_over = together.now;
    assert!(taken_over - killed < 2 * SESSION_MS, "after {} ms", taken_over - killed);
    // What the dead one had written to the output hides what comes after it, as long as its transaction is open.
    let is_told = |t: &Together| {
        let results = t.results();
        results.len() == KEYS && results.values().all(|counts| *counts == [1, 2, 3])
    };
    for _ in 0..10_000 / ROUND_MS {
        together.round();
    }
    assert!(is_told(&together), "long before the transaction's timeout of {TRANSACTION_MS} ms");
    together.assert_counted(KEYS, 3);
}

#[test]
fn who_is_started_anew_claims_what_it_had_until_it_joins() {
    let mut together = killed_before_its_commit(|_| ());
    together.start("b");
    together.round();
    let announced = together.announced()["b"].clone().unwrap();
    assert!(announced.contains("\"warming\"") && announced.contains("\"0_2\""), "{announced}");
    together.until(|t| t.active("a") == [0, 1] && t.active("b") == [2, 3]);
    together.pass(10_000);
    together.assert_counted(KEYS, 3);
}

#[test]
fn who_lives_and_has_let_go_of_its_tasks_is_left_alone() {
    let mut together = Together::new(|_| ());
    together.start("a");
    together.pipe(KEYS);
    together.start("b");
    together.until(|t| t.active("a") == [0, 1] && t.active("b") == [2, 3]);
    for _ in 0..5 {
        together.pass(3_000);
        together.pipe(KEYS);
    }
    together.stop("b");
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    together.pass(20_000);
    together.pipe(KEYS);
    // Nothing was restored, as it is after a producer was fenced.
    let aborts: u64 = together.processes["a"].instance.status()[0].aborts.load(Ordering::Relaxed);
    assert_eq!((aborts, together.restored("a")), (0, 0));
    together.assert_counted(KEYS, 7);
}

#[test]
fn without_transactions_there_are_none_to_end() {
    let mut together = Together::new(|options| options.guarantee = millstream::worker::Guarantee::AtLeastOnce);
    together.start("a");
    together.start("b");
    together.until(|t| t.active("b") == [2, 3]);
    together.pipe(KEYS);
    together.kill("b");
    together.until(|t| t.active("a") == [0, 1, 2, 3]);
    together.pass(20_000);
    together.pipe(KEYS);
    assert_eq!(together.results().len(), KEYS);
}
