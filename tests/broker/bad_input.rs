//! Bad input of many kinds through an application that runs: it never dies, and every record is accounted for.

mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kinds::{Kind, kinds};
use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream::serde::SerdeError;
use millstream::worker::{Guarantee, Options};
use millstream_tests::running::{HANG, Running, until};
use serde::{Deserialize, Serialize};

use crate::support::{clusters, options, unique};

/// What `json` is to hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    id: u32,
    amount: f64,
    tags: Vec<String>,
}

/// A frame: magic 0, the length as four bytes, and so many bytes of text.
struct Framed;

impl Serde<String> for Framed {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.push(0);
        out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, SerdeError> {
        let Some((head, body)) = bytes.split_at_checked(5) else {
            return Err(SerdeError::new(format!("found {} bytes, and a frame has 5 at least", bytes.len())));
        };
        if head[0] != 0 {
            return Err(SerdeError::new(format!("found magic {}, and must be 0", head[0])));
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        if length as usize != body.len() {
            return Err(SerdeError::new(format!("found {} bytes, and the frame says {length}", body.len())));
        }
        Utf8.decode(body)
    }
}

/// Does what its text says.
fn obey(text: &str) -> String {
    let number = |text: &str| text.parse::<usize>().unwrap();
    match text.split_once(' ').unwrap_or((text, "")) {
        ("panic", why) => panic!("{why}"),
        ("payload", _) => std::panic::panic_any(7_u8),
        ("unwrap", why) => why.split_once('\0').unwrap().0.to_owned(),
        ("expect", why) => why.parse::<u8>().expect("it is well").to_string(),
        ("index", at) => vec![String::new()][number(at)].clone(),
        ("divide", by) => (1 / number(by)).to_string(),
        ("slice", at) => "ä".to_owned()[number(at)..].to_owned(),
        ("overflow", by) => number(by).checked_add(usize::MAX).unwrap().to_string(),
        ("borrow", _) => {
            let cell = std::cell::RefCell::new(text.to_owned());
            let held = cell.borrow_mut();
            cell.borrow().clone() + &held
        }
        ("unreachable", _) => unreachable!("never"),
        ("assert", _) => {
            assert_eq!(text.len(), 0);
            String::new()
        }
        ("grow", bytes) => "x".repeat(number(bytes)),
        _ => text.to_owned(),
    }
}

fn named<V: Clone + 'static>(id: &str, name: &str, value: impl Serde<V>) -> Topic<String, V> {
    Topic::new(format!("{id}-{name}"), Utf8, value)
}

/// Each good record yields one on `out`, with its headers; and one more to its count.
fn topology(b: &TopologyBuilder, id: &str) {
    let texts = b.stream(&named(id, "texts", Utf8)).map_values(|text| obey(&text));
    let framed = b.stream(&named(id, "framed", Framed)).map_values(|text| obey(&text));
    let numbers = b.stream(&named(id, "numbers", Be64)).map_values(|n: i64| (1_000 / n).to_string());
    let floats = b.stream(&named(id, "floats", F64)).process("finite", Finite, &[]);
    let orders = b.stream(&named(id, "json", Json)).map_values(|order: Order| {
        assert!(order.amount.is_finite() && order.tags.len() < 100);
        format!("{} {}", order.id, order.amount)
    });
    for (name, results) in [("t", texts), ("f", framed), ("n", numbers), ("d", floats), ("j", orders)] {
        results.to(&named(id, "out", Utf8));
        // Counts of all keys together would be one more thing that a record left out must not have touched.
        results
            .map(move |_, value| (name.to_owned(), value))
            .repartition(Topic::new(format!("by-{name}"), Utf8, Utf8))
            .group_by_key()
            .count(Store::new(format!("count-{name}"), Utf8, Be64))
            .to_stream()
            .to(&named(id, "counts", Nullable(Be64)));
    }
}

/// Refuses what is no finite number.
struct Finite;

impl Processor for Finite {
    type KeyIn = String;
    type ValueIn = f64;
    type KeyOut = String;
    type ValueOut = String;

    fn process(
        &self,
        context: &mut ProcessorContext<'_, '_, String, String>,
        record: Record<String, f64>,
    ) -> Result<(), ProcessError> {
        if !record.value.is_finite() {
            return Err(ProcessError::new(format!("{} is no finite number", record.value)));
        }
        let text = record.value.to_string();
        context.forward(record.with_value(text))
    }
}

const TOPICS: [&str; 5] = ["texts", "framed", "numbers", "floats", "json"];

fn create(broker: &dyn Broker, id: &str) {
    let topics = TOPICS.iter().chain(&["out", "counts"]).map(|name| NewTopic {
        name: format!("{id}-{name}"),
        partitions: 2,
        replication_factor: None,
        cleanup_policy: CleanupPolicy::Delete,
        config: BTreeMap::from([
            ("retention.ms".to_owned(), "-1".to_owned()),
            ("message.timestamp.after.max.ms".to_owned(), i64::MAX.to_string()),
        ]),
    });
    broker.create(&topics.collect::<Vec<_>>()).unwrap();
}

/// Writes each kind, in between good records, with its number as a header; returns how many there are.
fn write(broker: &dyn Broker, id: &str, kinds: &[Kind]) -> usize {
    let mut writer = RecordWriter::new(broker).unwrap();
    for (number, kind) in kinds.iter().enumerate() {
        let topic = Topic::new(format!("{id}-{}", kind.topic), Nullable(Bytes), Nullable(Bytes));
        let mut headers: Headers = kind.headers.iter().cloned().collect();
        headers.push("number", Some(number.to_string().into_bytes()));
        let record =
            Record { key: kind.key.clone(), value: Some(kind.value.clone()), timestamp: kind.timestamp, headers };
        writer.send(&topic, &record).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
    }
    writer.flush().unwrap();
    kinds.len()
}

/// The numbers of the records on a topic.
fn numbers_on(broker: &dyn Broker, topic: &str) -> Vec<usize> {
    let topic = Topic::new(topic, Nullable(Bytes), Nullable(Bytes));
    let read = read_all(broker, &topic, HANG).unwrap();
    let number = |headers: &Headers| {
        let bytes = headers.last("number").flatten().expect("a number").to_vec();
        String::from_utf8(bytes).unwrap().parse().unwrap()
    };
    read.iter().map(|placed| number(&placed.record.headers)).collect()
}

fn policies(policy: ErrorPolicy) -> impl Fn(&mut Options) {
    move |options| {
        options.errors.read = policy;
        options.errors.process = policy;
        options.errors.write = policy;
    }
}

#[test]
fn every_record_is_processed_or_left_out_and_accounted_for() {
    let kinds = kinds();
    assert!(kinds.iter().map(|kind| &kind.name).collect::<BTreeSet<_>>().len() >= 100, "{}", kinds.len());
    for cluster in clusters() {
        for policy in [ErrorPolicy::Skip, ErrorPolicy::DeadLetter] {
            let id = unique("bad-input");
            let broker = cluster.client(&id).unwrap();
            create(&*broker, &id);
            let all = write(&*broker, &id, &kinds);
            let mut options = options(&id, 0, 2, Guarantee::ExactlyOnce);
            policies(policy)(&mut options);
            let define_id = id.clone();
            let define = Arc::new(move |b: &TopologyBuilder| topology(b, &define_id));
            let running = Running::start(options, define, cluster.client(&id).unwrap()).unwrap();
            let out = || numbers_on(&*broker, &format!("{id}-out"));
            until("all records to be accounted for", || Ok(out().len() as u64 + running.left_out() >= all as u64))
                .unwrap();
            let processed = out();
            for (number, Kind { name, is_good, timestamp, .. }) in kinds.iter().enumerate().take(all) {
                let times = processed.iter().filter(|found| **found == number).count();
                // A Kafka refuses timestamps far in the future on a repartition topic, and so the record is left out.
                let is_refused = *timestamp > millstream_service::run::now_ms() && times == 0;
                assert!(times == usize::from(*is_good) || is_refused, "{name}: {times}");
            }
            assert_eq!(running.left_out(), (all - processed.len()) as u64);
            if policy == ErrorPolicy::DeadLetter {
                let mut letters = numbers_on(&*broker, &format!("{id}-dead-letters"));
                letters.sort_unstable();
                let bad: Vec<usize> = (0..all).filter(|number| !processed.contains(number)).collect();
                assert_eq!(letters, bad, "each bad record is a dead letter, once");
            }
            let counts: Topic<String, Option<i64>> = named(&id, "counts", Nullable(Be64));
            let counted = || -> i64 {
                let read = read_all(&*broker, &counts, HANG).unwrap();
                let last: BTreeMap<_, _> =
                    read.into_iter().map(|placed| (placed.record.key, placed.record.value.flatten())).collect();
                last.values().map(|count| count.unwrap_or(0)).sum()
            };
            until("the counts", || Ok(counted() >= processed.len() as i64)).unwrap();
            running.stop().unwrap();
            assert_eq!(counted(), processed.len() as i64, "what was left out is in no count");
        }
    }
}

#[test]
fn with_fail_each_bad_record_stops_the_application_and_is_named() {
    for cluster in clusters() {
        // Of each topic, one that cannot be read and one that cannot be processed: a run for each.
        let kinds: Vec<Kind> = kinds().into_iter().filter(|kind| !kind.is_good).collect();
        for topic in TOPICS {
            for kind in kinds.iter().filter(|kind| kind.topic == topic).step_by(12) {
                let id = unique("bad-input-fails");
                let broker = cluster.client(&id).unwrap();
                create(&*broker, &id);
                write(&*broker, &id, std::slice::from_ref(kind));
                let define_id = id.clone();
                let define = Arc::new(move |b: &TopologyBuilder| topology(b, &define_id));
                let options = options(&id, 0, 1, Guarantee::ExactlyOnce);
                let running = Running::start(options, define, cluster.client(&id).unwrap()).unwrap();
                let message = running.failure().unwrap().to_string();
                for word in [&format!("topic {id}-{topic}, partition"), "offset 0, node"] {
                    assert!(message.contains(word), "{}: {message}", kind.name);
                }
            }
        }
    }
}
