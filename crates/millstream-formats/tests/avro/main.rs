//! Avro through a registry that is a part of the test.

mod fake_registry;
mod pipelines;
mod registry;
mod serdes;
mod tls;
mod types;

use fake_registry::FakeRegistry;
use millstream_formats::avro::AvroSchema;
use millstream_formats::registry::Registry;

/// A registry, and a client of it.
fn registry() -> (FakeRegistry, Registry) {
    let fake = FakeRegistry::start(None);
    let client = Registry::new(&fake.settings()).unwrap();
    (fake, client)
}

fn schema(text: &str) -> AvroSchema {
    AvroSchema::parse(text).unwrap()
}
