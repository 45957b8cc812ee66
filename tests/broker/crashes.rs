//! Instances that vanish between any two steps, and a broker that refuses commits.

use millstream::worker::{Guarantee, Options};
use millstream_memory::{ClientSettings, MemoryBroker};
use millstream_tests::check::{Findings, check};
use millstream_tests::simulation::{Fault, Simulation};
use millstream_tests::workload::{Load, Workload};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const RECORDS: u64 = 6_000;

fn run(seed: u64, guarantee: Guarantee, fault: Fault) -> Findings {
    run_with(seed, guarantee, fault, 0).0
}

/// Returns too how many records were read for copies.
fn run_with(seed: u64, guarantee: Guarantee, fault: Fault, standby_replicas: usize) -> (Findings, u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = MemoryBroker::new();
    let workload = Workload("crashes".to_owned());
    workload.prepare(&*cluster.client(ClientSettings::new("load"))).unwrap();
    let options = Options {
        guarantee,
        commit_interval_ms: 20,
        parked_ms: 2_000,
        standby_replicas,
        ..Options::new("crashes", "any")
    };
    let mut simulation = Simulation::new(&cluster, &options, &workload.define(), fault).unwrap();
    let broker = simulation.client();
    let mut load = Load::new(&*broker, &workload).unwrap();
    let mut written = 0;
    while written < RECORDS {
        written = RECORDS.min(written + random.random_range(1..200));
        load.write_until(written).unwrap();
        let steps = random.random_range(1..400);
        simulation.run(&mut random, steps);
        simulation.disturb(&mut random).unwrap();
    }
    simulation.settle(&mut random).unwrap();
    (check(&*broker, &workload).unwrap(), simulation.standby_records())
}

#[test]
fn nothing_is_lost_or_doubled() {
    for seed in 0..40 {
        let findings = run(seed, Guarantee::ExactlyOnce, Fault::None);
        assert_eq!((findings.inputs, findings.outputs), (RECORDS, RECORDS), "seed {seed}: {findings:?}");
        assert!(findings.is_exactly_once(), "seed {seed}: {findings:?}");
    }
}

/// State goes from copies to tasks and back, and is what it would be without.
#[test]
fn nothing_is_lost_or_doubled_with_standbys() {
    for seed in 0..40 {
        let (findings, copied) = run_with(seed, Guarantee::ExactlyOnce, Fault::None, 1);
        assert_eq!((findings.inputs, findings.outputs), (RECORDS, RECORDS), "seed {seed}: {findings:?}");
        assert!(findings.is_exactly_once(), "seed {seed}: {findings:?}");
        assert!(copied > 0, "seed {seed}: there was no standby");
    }
    for seed in 0..10 {
        let (findings, _) = run_with(seed, Guarantee::ExactlyOnce, Fault::Aborts, 2);
        assert!(findings.is_exactly_once(), "seed {seed}: {findings:?}");
        let (findings, _) = run_with(seed, Guarantee::AtLeastOnce, Fault::None, 1);
        assert!(findings.is_at_least_once(), "seed {seed}: {findings:?}");
    }
}

#[test]
fn at_least_once_loses_nothing() {
    for seed in 0..20 {
        let findings = run(seed, Guarantee::AtLeastOnce, Fault::None);
        assert_eq!(findings.inputs, RECORDS, "seed {seed}: {findings:?}");
        assert!(findings.is_at_least_once(), "seed {seed}: {findings:?}");
    }
}

/// Stores, positions and stream time go back as one, while the tasks stay where they are.
#[test]
fn commits_that_are_refused_change_nothing() {
    for seed in 0..10 {
        let findings = run(seed, Guarantee::ExactlyOnce, Fault::Aborts);
        assert_eq!((findings.inputs, findings.outputs), (RECORDS, RECORDS), "seed {seed}: {findings:?}");
        assert!(findings.is_exactly_once(), "seed {seed}: {findings:?}");
    }
}

/// The check notices what it is there for.
#[test]
fn positions_committed_outside_of_the_transaction_are_noticed() {
    let findings = run(1, Guarantee::ExactlyOnce, Fault::OffsetsOutside);
    assert!(!findings.is_exactly_once(), "{findings:?}");
}
