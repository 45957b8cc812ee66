//! Topologies and plans as text, compared with the files beside this one.
//!
//! `MILLSTREAM_TEST_GOLDEN=write cargo test -p millstream-tests --test golden` writes the files anew: look at the difference,
//! as names in them are the names of topics and stores. Those of the services are compared by their own tests.

mod compare;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream::broker::{CleanupPolicy, TopicDescription};
use millstream::prelude::*;
use millstream::topology::{Define, Plan, Topology};

fn compare(file: &str, text: &str) {
    compare::compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file), text);
}

fn plan(topology: &Topology, partitions: i32) -> Plan {
    let described = topology.source_topics().into_iter().map(|name| {
        let (name, cleanup_policy) = (name.to_string(), CleanupPolicy::Delete);
        (name.clone(), TopicDescription { name, partitions, cleanup_policy })
    });
    Plan::new(topology, &described.collect::<BTreeMap<_, _>>(), Some(3)).unwrap()
}

/// Every operator once.
fn operators(b: &TopologyBuilder) {
    let topic = |name: &str| Topic::new(name.to_owned(), Utf8, Utf8);
    let names = b.table(&topic("names"), Store::new("names", Utf8, Utf8));
    let input = b.stream(&topic("input"));
    let read = input.filter(|_, v| !v.is_empty()).filter_not(|k, _| k.is_empty()).inspect(|_, _| ());
    let joined = read.join(&names, |v, name| v + name).merge(&read.left_join(&names, |v, _| v));
    let mapped = joined.map_values(|v| v).flat_map_values(|v| [v]).map(|k, v| (k, v)).flat_map(|k, v| [(k, v)]);
    let mut split = mapped.split();
    split.branch(|_, v| v.len() < 3).to(&topic("short"));
    split.branch(|_, v| v.len() < 9).to_partition(&topic("middle"), |_, _, partitions| partitions - 1);
    split.otherwise().to_chosen(Utf8, Utf8, |_, v: Option<&String>| v.cloned().unwrap_or_default());
    let grouped = mapped.group_by(topic("by-value"), |_, v| v.clone());
    grouped
        .count(Store::<_, i64>::new("counts", Utf8, Be64))
        .to_stream()
        .to(&Topic::<_, i64>::new("counts", Utf8, Be64));
    grouped.reduce(Store::new("longest", Utf8, Utf8), |a, b| if b.len() > a.len() { b } else { a.clone() });
    let windows = TimeWindows::tumbling(Duration::from_secs(60)).grace(Duration::from_secs(5));
    grouped.windowed_by(windows).count(Store::<_, i64>::new("counts-by-minute", Utf8, Be64));
    mapped.repartition(topic("again")).group_by_key().aggregate(
        Store::<_, i64>::new("lengths", Utf8, Be64),
        || 0,
        |_, v, length| *length += v.len() as i64,
    );
}

#[test]
fn every_operator_is_described() {
    let define: Define = Arc::new(operators);
    let topology = Topology::build("app", &define).unwrap();
    compare("operators.txt", &topology.to_string());
    compare("operators.mmd", &topology.to_mermaid());
    compare("operators.dot", &topology.to_graphviz());
    compare("operators-plan.txt", &plan(&topology, 12).to_string());
}

/// Passes records on.
struct Pass;

impl Processor for Pass {
    type KeyIn = String;
    type ValueIn = String;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, String>,
    ) -> Result<(), ProcessError> {
        context.forward(record)
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
