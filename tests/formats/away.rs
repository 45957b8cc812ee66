//! A registry that is away while an application runs: its records wait, and none is lost.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use millstream::prelude::*;
use millstream::worker::{Guarantee, Options, WorkerStatus};
use millstream_formats::protobuf::prost_reflect::{ReflectMessage, Value};
use millstream_formats::protobuf::{ProtobufRecord, ProtobufRecords, ProtobufSchema};
use millstream_formats::registry::{Part, Registry, RegistryError, RegistrySettings, Subject, SubjectStrategy};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_tests::cluster::{settings, unique};
use millstream_tests::proxy::{Faults, Proxy};
use millstream_tests::running::{Running, until};

use crate::services::{Services, services};

const RECORDS: usize = 300;

/// Records of a schema that no other test has.
fn records(package: &str) -> Result<Vec<ProtobufRecord>> {
    let text = format!("syntax = \"proto3\"; package {package}; message Order {{ uint32 number = 1; }}");
    let schema = Arc::new(ProtobufSchema::new(&text)?);
    let record = |number: usize| {
        let mut record = ProtobufRecord::new(schema.clone(), &format!("{package}.Order"))?;
        record.message_mut().set_field_by_name("number", Value::U32(number as u32));
        Ok(record)
    };
    (0..RECORDS).map(record).collect()
}

fn numbers(services: &Services, topic: &str) -> Result<Vec<(String, u32)>> {
    let serde = ProtobufRecords::value(&services.registry(), topic);
    let records: Vec<ProtobufRecord> = services.read(topic, serde)?;
    let number = |record: &ProtobufRecord| {
        let number = record.message().get_field_by_name("number").and_then(|number| number.as_u32());
        Ok((record.message().descriptor().package_name().to_owned(), number.context("no number")?))
    };
    records.iter().map(number).collect()
}

#[test]
fn records_wait_for_a_registry_that_is_away_and_none_is_lost() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let proxy = Proxy::start(1)?;
    let (host, path) = services.registry_url.trim_start_matches("http://").split_once('/').context("a URL")?;
    proxy.lead_to(host.rsplit(':').next().context("a port")?.parse()?);
    let url = format!("http://127.0.0.1:{}/{path}", proxy.port());
    let registry = Registry::new(&RegistrySettings { timeout: Duration::from_secs(2), ..RegistrySettings::new(&url) })?;
    let (input, output, id) = (services.topic("away-in")?, services.topic("away-out")?, unique("away"));

    let by_record = |registry: &Registry, topic: &str| {
        let (strategy, topic, part) = (SubjectStrategy::TopicRecord, topic.to_owned(), Part::Value);
        ProtobufRecords::new(registry, Subject::ByRecord { strategy, topic, part })
    };
    let topics = [&input, &output]
        .map(|name| Topic::<String, ProtobufRecord>::new(name.as_str(), Utf8, by_record(&registry, name)));
    let define = Arc::new(move |b: &TopologyBuilder| b.stream(&topics[0]).to(&topics[1]));
    let broker = Arc::new(KafkaBroker::new(settings(&services.kafka, GroupProtocol::Classic, &id))?);
    let options = Options {
        workers: 1,
        guarantee: Guarantee::ExactlyOnce,
        commit_interval_ms: 50,
        ..Options::new(&id, "instance-0")
    };
    let write = |package: &str| services.write(&input, by_record(&services.registry(), &input), &records(package)?);
    let running = Running::start(options, define, broker)?;
    let expected = |packages: &[&str]| -> Vec<(String, u32)> {
        let of = |package: &&str| (0..RECORDS as u32).map(|number| ((*package).to_owned(), number)).collect::<Vec<_>>();
        packages.iter().flat_map(of).collect()
    };
    let packages = ["first", "second", "third"].map(|name| unique(name).replace('-', "_"));
    let packages = packages.each_ref().map(String::as_str);

    write(packages[0])?;
    until("the first records", || Ok(numbers(services, &output)? == expected(&packages[..1]))).context("at first")?;
    // What the serdes know needs no registry; a schema that is new does.
    proxy.set(Faults { refuse: true, ..Faults::default() });
    write(packages[0])?;
    let twice = [packages[0], packages[0]];
    until("what needs no registry", || Ok(numbers(services, &output)? == expected(&twice)))?;
    write(packages[1])?;
    thread::sleep(Duration::from_secs(5));
    assert_eq!(numbers(services, &output)?, expected(&twice));
    let error = registry.latest("any").unwrap_err();
    assert!(matches!(&error, RegistryError::Away(message) if message.contains(&url)), "{error:?}");
    proxy.set(Faults::default());
    let whole = [packages[0], packages[0], packages[1]];
    until("what waited", || Ok(numbers(services, &output)? == expected(&whole)))?;

    // One that takes what is asked, and says nothing.
    proxy.set(Faults { lose_answers: true, ..Faults::default() });
    write(packages[2])?;
    thread::sleep(Duration::from_secs(4));
    assert_eq!(numbers(services, &output)?, expected(&whole));
    proxy.set(Faults::default());
    let all = [packages[0], packages[0], packages[1], packages[2]];
    until("what waited again", || Ok(numbers(services, &output)? == expected(&all)))?;
    assert_eq!(
        (running.left_out(), running.sum(|status: &WorkerStatus| &status.consumed) >= 4 * RECORDS as u64),
        (0, true)
    );
    running.stop()
}
