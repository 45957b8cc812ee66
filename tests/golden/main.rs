//! Topologies and plans as text, compared with the files beside this one.
//!
//! `MILLSTREAM_TEST_GOLDEN=write cargo test -p millstream-tests --test golden` writes the files anew: look at the difference,
//! as names in them are the names of topics and stores. Those of the services are compared by their own tests.

mod compare;
mod topologies;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream::broker::{CleanupPolicy, TopicDescription};
use millstream::prelude::*;
use millstream::topology::{Define, Plan, Topology};
use topologies::Pass;

fn compare(file: &str, text: &str) {
    compare::compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file), text);
}

fn plan(topology: &Topology, partitions: i32) -> Plan {
    let described = topology.source_topics().into_iter().map(|name| {
        let cleanup_policy = if &*name == "compacted" { CleanupPolicy::Compact } else { CleanupPolicy::Delete };
        let name = name.to_string();
        (name.clone(), TopicDescription { name, partitions, cleanup_policy })
    });
    Plan::new(topology, &described.collect::<BTreeMap<_, _>>(), Some(3)).unwrap()
}

#[test]
fn every_operator_is_described() {
    type Topologies = [(&'static str, fn(&TopologyBuilder)); 4];
    let all: Topologies = [
        ("operators", topologies::operators),
        ("windows", topologies::windows),
        ("tables", topologies::tables),
        ("processors", topologies::processors),
    ];
    for (name, define) in all {
        let define: Define = Arc::new(define);
        let topology = Topology::build("app", &define).unwrap();
        compare(&format!("{name}.txt"), &topology.to_string());
        compare(&format!("{name}.mmd"), &topology.to_mermaid());
        compare(&format!("{name}.dot"), &topology.to_graphviz());
        compare(&format!("{name}-plan.txt"), &plan(&topology, 12).to_string());
    }
}

/// Names that mean something to the languages of the pictures, and a topic of the user's between two sub-topologies.
#[test]
fn names_are_shown_as_they_are() {
    let define: Define = Arc::new(|b| {
        let (input, between) = (Topic::new("style:<in>", Utf8, Utf8), Topic::new(r"50% \ü", Utf8, Utf8));
        let store = b.store(Store::new("`the` \"store\"", Utf8, Utf8));
        b.stream(&input)
            .process(r#"say "hi" & <b>go</b>"#, Pass, &[&store])
            .process(r"back\nslash \N \", Pass, &[])
            .process("end", Pass, &[])
            .process("process-all", Pass, &[])
            .to(&between);
        b.stream(&between).process("#35; &lt; *x* [y] {z}|", Pass, &[]);
    });
    let topology = Topology::build(r#"an "app" \"#, &define).unwrap();
    compare("names.txt", &topology.to_string());
    compare("names.mmd", &topology.to_mermaid());
    compare("names.dot", &topology.to_graphviz());
}

#[test]
fn what_is_wrong_with_a_topology_is_told_all_at_once() {
    let define: Define = Arc::new(|b| {
        let topic = Topic::new("input", Utf8, Utf8);
        let input = b.stream(&topic);
        b.stream(&topic);
        input.map(|k, v| (v, k)).group_by_key().count(Store::<_, i64>::new("counts", Utf8, Be64));
        input.group_by_key().count(Store::<_, i64>::new("counts", Utf8, Be64));
    });
    let error = Topology::build("app", &define).unwrap_err();
    compare("wrong.txt", &format!("{}\n", error.0.join("\n")));
}
