//! Compares Millstream's operators with Apache Kafka Streams 4.3.1 itself, record by record: the same scripts run on the
//! same topologies, there on Kafka Streams' `TopologyTestDriver`, here on Millstream's, and each output record (topic, key
//! and value as bytes, timestamp, headers) must be the same and come with the same step.
//!
//! `cargo test -p millstream-tests --test kafka_streams` needs Java (a JDK, 17 or later) and Maven.
//! `MILLSTREAM_TEST_ONLY=tumbling_count/seed` runs only scripts whose names, `topology/script`, begin so.
//!
//! How to add a topology: write it in `java/` (`add("name", b -> …)`), put its name into a family in `families/`, and write
//! its twin in `topologies/`. What is not to be alike is listed in `differences.rs`, script by script, with its reason.
//!
//! How to see what Kafka Streams does with a script of your own (written as `script.rs` says):
//!
//! ```text
//! MILLSTREAM_TEST_ONLY=table_join MILLSTREAM_TEST_SCRIPT='left a=x@1, right a=y@2, left a=null@3' \
//!     cargo test -p millstream-tests --test kafka_streams -- --nocapture
//! ```

mod differences;
mod families;
mod reference;
mod script;
mod topologies;
mod twin;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;

use differences::{DIFFERENCES, PENDING};
use families::{Compared, Family, families};
use millstream::prelude::TopologyBuilder;
use reference::{Outcome, Reference};
use script::{Output, Script};

/// How many mismatches are shown whole.
const SHOWN: usize = 3;

/// Family, topology, and twin unless that is pending.
type Pair = (&'static Family, &'static str, Option<fn(&TopologyBuilder)>);

fn pairs() -> Vec<Pair> {
    let twins: BTreeMap<_, _> = topologies::twins().collect();
    let all = families().flat_map(|family| family.topologies.iter().map(move |name| (family, *name)));
    all.map(|(family, name)| (family, name, twins.get(name).copied())).collect()
}

#[test]
fn operators_do_what_kafka_streams_does() {
    let Some(reference) = Reference::find() else { return };
    let only = env::var("MILLSTREAM_TEST_ONLY").unwrap_or_default();
    let own = env::var("MILLSTREAM_TEST_SCRIPT").ok();
    let scripts = |family: &Family, name| match &own {
        Some(text) => vec![Script::parse(name, "own", family.sources[0], text)],
        None => family.scripts(name),
    };
    let all = pairs().into_iter();
    let all = all
        .flat_map(|(family, name, twin)| scripts(family, name).into_iter().map(move |script| (family, twin, script)));
    let runs: Vec<_> = all.filter(|(_, _, script)| script.name.starts_with(&only)).collect();
    let outcomes = reference.outcomes(runs.iter().map(|(_, _, script)| script));
    assert_eq!(outcomes.len(), runs.len(), "the Java program did not answer each script");

    let (mut wrong, mut compared) = (Vec::new(), 0);
    for ((family, twin, script), theirs) in runs.iter().zip(outcomes) {
        assert_eq!(theirs.name, script.name);
        if let Some(error) = &theirs.error {
            wrong.push(format!("{}: Kafka Streams fails: {error}", script.name));
        }
        let unknown = theirs.outputs.iter().find(|output| !family.sinks.contains(&&*output.topic));
        assert!(unknown.is_none(), "{}: {} is not among the sinks", script.name, unknown.unwrap());
        let ours = twin.map(|twin| twin::run(script, twin, family.sinks));
        if own.is_some() {
            println!("{}", table(script, &theirs, ours.as_ref().unwrap_or(&theirs)));
        }
        let Some(ours) = ours else { continue };
        compared += 1;
        let is_same = ours.error.is_none() && same(&ours.outputs, &theirs.outputs, family, script.compared);
        let listed = DIFFERENCES.iter().find(|difference| difference.scripts.contains(&&*script.name));
        match (is_same, listed) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(difference)) => {
                wrong.push(format!("{}: no difference any more, but listed: {}", script.name, difference.title));
            }
            (false, None) => wrong.push(table(script, &theirs, &ours)),
        }
    }
    println!("{} scripts on Kafka Streams, {compared} of them compared", runs.len());
    let mut message = String::new();
    wrong.iter().take(SHOWN).for_each(|one| writeln!(message, "{one}").unwrap());
    let names: Vec<_> = wrong.iter().filter_map(|one| one.lines().next()).collect();
    assert!(wrong.is_empty(), "{message}\n{} scripts differ:\n{}", wrong.len(), names.join("\n"));
}

/// Whether each topic got the same records: in the same order, each with the same step, or only the same.
fn same(ours: &[Output], theirs: &[Output], family: &Family, compared: Compared) -> bool {
    let of = |outputs: &[Output], sink| {
        let mut of_sink: Vec<_> = outputs.iter().filter(|output| output.topic == sink).cloned().collect();
        if compared == Compared::Records {
            of_sink.iter_mut().for_each(|output| output.step = 0);
            of_sink.sort();
        }
        of_sink
    };
    family.sinks.iter().all(|sink| of(ours, *sink) == of(theirs, *sink))
}

/// A script with what came out at each step, on both sides.
fn table(script: &Script, theirs: &Outcome, ours: &Outcome) -> String {
    let mut text = format!("{}\n", script.name);
    for (number, step) in script.steps.iter().enumerate() {
        let at = |outcome: &Outcome| {
            let outputs = outcome.outputs.iter().filter(|output| output.step == number);
            outputs.map(Output::to_string).collect::<Vec<_>>()
        };
        let (theirs, ours) = (at(theirs), at(ours));
        writeln!(text, "{number:>4}  {step}").unwrap();
        if theirs == ours {
            theirs.iter().for_each(|output| writeln!(text, "        both           {output}").unwrap());
        } else {
            theirs.iter().for_each(|output| writeln!(text, "      ! Kafka Streams  {output}").unwrap());
            ours.iter().for_each(|output| writeln!(text, "      ! Millstream     {output}").unwrap());
        }
    }
    if let Some(error) = &ours.error {
        writeln!(text, "      ! Millstream fails: {error}").unwrap();
    }
    text
}

#[test]
fn every_topology_of_kafka_streams_has_a_family_and_a_twin() {
    let names: Vec<_> = pairs().into_iter().map(|(_, name, _)| name).collect();
    let known: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(known.len(), names.len(), "a topology is in two families");
    for (_, name, twin) in pairs() {
        let is_pending = PENDING.contains(&name);
        assert!(twin.is_some() != is_pending, "{name}: a topology has a twin, or is listed as pending");
    }
    for (twin, _) in topologies::twins() {
        assert!(known.contains(twin), "{twin} is in no family");
    }
    assert!(PENDING.iter().all(|name| known.contains(name)), "what is pending is in a family");
    let Some(reference) = Reference::find() else { return };
    let theirs = reference.topologies();
    assert_eq!(theirs.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
}

/// The list for readers and the list that is checked are the same.
#[test]
fn differences_are_those_that_the_map_tells() {
    let map = include_str!("../../crates/README.md");
    let section = map.split("\n## Where Millstream differs from Kafka Streams\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let told: BTreeSet<_> = section.lines().filter_map(|line| line.strip_prefix("- **")?.split("**").next()).collect();
    let checked: BTreeSet<_> = DIFFERENCES.iter().map(|difference| difference.title).collect();
    assert_eq!(told, checked);
    let pairs = pairs();
    let names: Vec<_> =
        pairs.iter().flat_map(|(family, name, _)| family.scripts(name)).map(|script| script.name).collect();
    let scripts: BTreeSet<_> = names.iter().map(String::as_str).collect();
    assert_eq!(scripts.len(), names.len(), "two scripts of a topology have one name");
    for name in DIFFERENCES.iter().flat_map(|difference| difference.scripts) {
        assert!(scripts.contains(*name), "no script is called {name}");
    }
}
