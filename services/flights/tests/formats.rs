//! The service in another format, by its settings alone.

#[allow(dead_code)]
#[path = "../../../crates/millstream-formats/tests/avro/fake_registry.rs"]
mod fake_registry;

use std::process::{Command, Output};

use fake_registry::FakeRegistry;
use millstream_formats::avro::AvroSchema;
use millstream_formats::registry::Registry;

/// Runs the service on the broker in its memory, with these lines beside its own settings.
fn run(lines: &str) -> Output {
    let own = include_str!("../../../config/flights.yaml");
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), format!("{own}\nhttp:\n  enabled: false\n{lines}")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_flights")).arg("--config").arg(file.path()).output().unwrap()
}

fn table(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn avro_through_a_registry_gives_the_results_that_json_gives() {
    let fake = FakeRegistry::start(None);
    // It comes up late, and is away for a moment later.
    fake.go_away_for(3);
    let avro = run(&format!("registry:\n  url: {}\nformats:\n  default: avro\n", fake.url));
    let json = run("");
    assert_eq!(table(&avro), table(&json));
    let registry = Registry::new(&fake.settings()).unwrap();
    for (subject, name) in [
        ("flights-value", "Flight"),
        ("airports-value", "Airport"),
        ("delays-by-hour-value", "Delays"),
        ("worst-airports-value", "array"),
        ("flights-hourly-delays-changelog-value", "Delays"),
        ("flights-daily-delays-changelog-value", "Delays"),
    ] {
        assert_eq!(AvroSchema::latest(&registry, subject).unwrap().name(), name, "{subject}");
    }
}

#[test]
fn one_topic_alone_is_avro() {
    let fake = FakeRegistry::start(None);
    let lines = format!("registry:\n  url: {}\nformats:\n  values:\n    delays-by-hour: avro\n", fake.url);
    table(&run(&lines));
    let registry = Registry::new(&fake.settings()).unwrap();
    AvroSchema::latest(&registry, "delays-by-hour-value").unwrap();
    AvroSchema::latest(&registry, "flights-value").unwrap_err();
}

#[test]
fn a_schema_that_is_not_compatible_ends_the_start() {
    let fake = FakeRegistry::start(None);
    let registry = Registry::new(&fake.settings()).unwrap();
    let other = AvroSchema::parse("\"string\"").unwrap();
    registry.register("delays-by-hour-value", other.registered()).unwrap();
    fake.refuse("Delays is no string");
    let lines = format!("registry:\n  url: {}\nformats:\n  values:\n    delays-by-hour: avro\n", fake.url);
    let ended = run(&lines);
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    let expected = "sink delays-by-hour: the schema that is to be written is not compatible with what subject \
                    delays-by-hour-value has: Delays is no string";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn what_cannot_be_is_told_before_anything_runs() {
    for (lines, expected) in [
        ("formats:\n  default: avro\n", "registry.url: not set"),
        ("formats:\n  values:\n    flights: xml\n", "formats.values.flights: found `xml`; accepted: json or avro"),
        ("registry:\n  url: localhost:8081\n", "it begins with http://HOST"),
        ("registry:\n  url: http://a\n  user: x\n", "registry.user, registry.password: one is set"),
        ("registry:\n  url: https://a\n  ca: /nowhere/ca.pem\n", "registry.ca: /nowhere/ca.pem cannot be read"),
    ] {
        let ended = run(lines);
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(told.contains(expected), "{lines}: {told}");
        assert_eq!(ended.status.code(), Some(2), "{told}");
    }
}
