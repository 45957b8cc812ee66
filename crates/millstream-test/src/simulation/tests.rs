//! The suite, as far as it goes within a minute; and what the kit promises.

use millstream::prelude::*;

use super::suite::{hash_of, run_seed};
use super::{Fault, Simulation};

fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let outcome = run_seed(seed, false);
        assert_eq!(outcome.failure, None, "again: cargo simulate --seed {seed} --trace");
    }
}

#[test]
fn some_seeds() {
    run(0..60);
}

#[test]
fn some_more_seeds() {
    run(60..120);
}

/// A revocation that was heard of late, after others had gone on: the state was parked with their changelogs' ends.
#[test]
fn seeds_that_once_failed() {
    for seed in [13_720, 17_638] {
        run(seed..seed + 1);
    }
}

/// Once: a member that was thrown out handed out old state with the ends of changelogs that others had written.
#[test]
fn state_that_is_handed_out_is_as_new_as_it_says() {
    for seed in [7_853, 9_233, 15_280, 24_728] {
        run(seed..seed + 1);
    }
}

#[test]
fn a_seed_is_the_same_run_to_the_last_event() {
    let mut hashes = Vec::new();
    for seed in 0..12 {
        let (first, second) = (run_seed(seed, true), run_seed(seed, true));
        assert!(first.trace.lines().count() > 100, "seed {seed}: {}", first.trace);
        assert_eq!(hash_of(&first.trace), hash_of(&second.trace), "seed {seed}");
        assert_eq!(first.faults, second.faults);
        hashes.push(hash_of(&first.trace));
    }
    hashes.dedup();
    assert_eq!(hashes.len(), 12, "another seed is another run");
}

/// Numbers records in a counter that no store holds: what comes out depends on how often something was processed again.
fn with_hidden_state(b: &TopologyBuilder) {
    let hidden = std::cell::Cell::new(0);
    b.stream(&input()).map_values(move |_| hidden.replace(hidden.get() + 1)).to(&output());
}

fn input() -> Topic<u64, i64> {
    Topic::new("input", Be64, Be64)
}

fn output() -> Topic<u64, i64> {
    Topic::new("output", Be64, Be64)
}

#[test]
fn state_outside_of_stores_is_noticed() {
    let simulation = || Simulation::of(with_hidden_state).input(&input(), |random| (random.below(9), 0));
    let panic = std::panic::catch_unwind(|| simulation().run(0..20)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("seed ") && message.contains("topic output, key ") && message.contains("again: .run("));
    simulation().calm().run(0..3);
}

#[test]
fn a_run_tells_its_faults_input_output_and_state() {
    let sums = |b: &TopologyBuilder| {
        b.stream(&input()).group_by_key().reduce(Store::new("sums", Be64, Be64), |a, b| a + b).to_stream().to(&output())
    };
    let run = Simulation::of(sums).input(&input(), |random| (random.below(9), 1)).records(50).run_seed(3);
    let faults: u64 = run.faults().iter().map(|(_, count)| count).sum();
    assert!(faults > run.faults().of(Fault::Crashed), "{:?}", run.faults());
    assert_eq!((run.records(&input()).len(), run.records(&output()).len()), (50, 50));
    let changelog = Topic::<u64, i64>::new(run.changelog("sums"), Be64, Be64);
    let mut rows = std::collections::BTreeMap::new();
    for record in run.records(&changelog) {
        rows.insert(record.key, record.value.unwrap());
    }
    assert_eq!(rows.values().sum::<i64>(), 50);
}

#[test]
fn what_is_behind_a_repartition_topic_is_compared_without_order() {
    let lines = || Topic::new("lines", Unit, Utf8);
    let word_count = move |b: &TopologyBuilder| {
        let by_word = b.stream(&lines()).group_by(Topic::new("words", Utf8, Utf8), |_, word| word.clone());
        by_word.count(Store::new("counts", Utf8, Be64)).to_stream().to(&Topic::<_, i64>::new("counts", Utf8, Be64));
    };
    let line = |random: &mut super::Random| ((), format!("word {}", random.below(20)));
    Simulation::of(word_count).unordered().input(&lines(), line).run(0..10);
}
