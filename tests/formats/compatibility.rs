//! The rules of a real registry: compatible changes of schemas, registering that is off, subjects.

use std::sync::Arc;

use anyhow::Result;
use millstream::prelude::*;
use millstream::serde::SerdeError;
use millstream::worker::{Application, Options};
use millstream_formats::avro::{AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::protobuf::{Protobuf, ProtobufRecord, ProtobufRecords, ProtobufSchema};
use millstream_formats::registry::{
    Part, Registry, RegistryError, RegistrySettings, Schema, SchemaType, Subject, SubjectStrategy,
};
use millstream_tests::cluster::unique;
use prost::Message;

use crate::services::{Services, services};

/// A schema, a change of it that a rule allows, and one that it does not.
struct Change {
    schema_type: SchemaType,
    level: &'static str,
    before: String,
    compatible: String,
    /// `None`: the rule allows everything.
    incompatible: Option<String>,
}

fn avro(fields: &[&str]) -> String {
    format!(r#"{{"type": "record", "name": "Order", "fields": [{}]}}"#, fields.join(", "))
}

fn protobuf(fields: &str) -> String {
    format!("syntax = \"proto3\"; package shop; message Order {{ {fields} }}")
}

fn json(properties: &str) -> String {
    format!(r#"{{"title": "Order", "type": "object", "additionalProperties": false, "properties": {{{properties}}}}}"#)
}

const ID: &str = r#"{"name": "id", "type": "string"}"#;
const NOTE: &str = r#"{"name": "note", "type": "string"}"#;
const NOTE_OR_EMPTY: &str = r#"{"name": "note", "type": "string", "default": ""}"#;
const ID_AS_NUMBER: &str = r#"{"name": "id", "type": "long"}"#;

fn changes() -> Vec<Change> {
    let of_avro = |level, compatible: &[&str], incompatible: Option<&[&str]>| Change {
        schema_type: SchemaType::Avro,
        level,
        before: avro(&[ID]),
        compatible: avro(compatible),
        incompatible: incompatible.map(avro),
    };
    let mut changes = vec![
        of_avro("BACKWARD", &[ID, NOTE_OR_EMPTY], Some(&[ID, NOTE])),
        of_avro("BACKWARD_TRANSITIVE", &[ID, NOTE_OR_EMPTY], Some(&[ID, NOTE])),
        of_avro("FORWARD", &[ID, NOTE], Some(&[NOTE])),
        of_avro("FORWARD_TRANSITIVE", &[ID, NOTE], Some(&[NOTE])),
        of_avro("FULL", &[ID, NOTE_OR_EMPTY], Some(&[ID, NOTE])),
        of_avro("FULL_TRANSITIVE", &[ID, NOTE_OR_EMPTY], Some(&[ID, NOTE])),
        of_avro("NONE", &[ID_AS_NUMBER], None),
    ];
    let id = r#""id": {"type": "string"}"#;
    let with_note = format!(r#"{id}, "note": {{"type": "string"}}"#);
    let with_message = format!("{} message Line {{ }}", protobuf("string id = 1;"));
    // This registry takes a field that is new for one that writers of the past would have to know, where readers of the past count.
    for (level, of_protobuf, of_json) in [
        ("BACKWARD", protobuf("string id = 1; string note = 2;"), with_note.as_str()),
        ("FORWARD", with_message.clone(), ""),
        ("FULL", with_message, r#""id": {"type": "string", "description": "a number"}"#),
    ] {
        changes.push(Change {
            schema_type: SchemaType::Protobuf,
            level,
            before: protobuf("string id = 1;"),
            compatible: of_protobuf,
            incompatible: Some(protobuf("int32 id = 1;")),
        });
        changes.push(Change {
            schema_type: SchemaType::Json,
            level,
            before: json(id),
            compatible: json(of_json),
            incompatible: Some(json(r#""id": {"type": "integer"}"#)),
        });
    }
    changes
}

/// Each of three schemas goes with the one before it; the last one does not with the first.
#[test]
fn a_transitive_rule_looks_at_all_versions_of_a_subject() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let note = |schema: &str| avro(&[ID, &format!(r#"{{"name": "note", "type": {schema}}}"#)]);
    // A reader of the last one finds no note in what the first one wrote, and has no default.
    let of_readers = [avro(&[ID]), note(r#""string", "default": """#), note(r#""string""#)];
    // A reader of the first one needs a note, which the last one does not write.
    let of_writers = [note(r#""string""#), note(r#""string", "default": """#), avro(&[ID])];
    for (level, versions) in [("BACKWARD", &of_readers), ("FORWARD", &of_writers), ("FULL", &of_readers)] {
        for transitive in [false, true] {
            let (registry, subject) = (services.registry(), unique("transitive"));
            let [first, second, third] = versions.each_ref().map(|text| Schema::new(SchemaType::Avro, text));
            registry.register(&subject, &first)?;
            registry.register(&subject, &second)?;
            let level = format!("{level}{}", if transitive { "_TRANSITIVE" } else { "" });
            services.set_compatibility(&subject, &level)?;
            let checked = registry.check_writable(&subject, &third);
            assert_eq!(checked.is_err(), transitive, "{level}: {checked:?}");
            assert_eq!(registry.register(&subject, &third).is_err(), transitive, "{level}");
        }
    }
    Ok(())
}

#[test]
fn the_rule_of_a_subject_decides_before_the_first_record_and_when_it_is_registered() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let registry = services.registry();
    for Change { schema_type, level, before, compatible, incompatible } in changes() {
        let subject = unique("rules");
        let of = |text: &str| Schema::new(schema_type, text);
        let case = format!("{schema_type} {level}");
        registry.check_writable(&subject, &of(&before))?;
        let id = registry.register(&subject, &of(&before))?;
        services.set_compatibility(&subject, level)?;
        if let Some(incompatible) = incompatible {
            let error = registry.check_writable(&subject, &of(&incompatible)).unwrap_err();
            let RegistryError::Refused(message) = &error else { panic!("{case}: {error:?}") };
            assert!(message.contains("is not compatible with what subject") && message.contains(&subject));
            let error = registry.id_of(&subject, &of(&incompatible)).unwrap_err();
            assert!(
                matches!(&error, RegistryError::Refused(message) if message.contains(&subject)),
                "{case}: {error:?}"
            );
            assert!(!SerdeError::from(error).is_transient());
        }
        registry.check_writable(&subject, &of(&compatible)).map_err(|error| anyhow::anyhow!("{case}: {error}"))?;
        let changed = registry.id_of(&subject, &of(&compatible))?;
        assert_ne!(changed, id, "{case}");
        assert_eq!(registry.latest(&subject)?.id, changed, "{case}");
        // A client that knows nothing yet is told the same, and the old one is still there.
        let other = services.registry();
        assert_eq!((other.id_of(&subject, &of(&compatible))?, other.look_up(&subject, &of(&before))?), (changed, id));
        assert_eq!(other.schema(id)?.schema, of(&before), "{case}");
    }
    Ok(())
}

#[derive(Clone, PartialEq, Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
}

fn orders(registry: &Registry, topic: &str, fields: &str) -> Protobuf<Order> {
    let schema = ProtobufSchema::new(&protobuf(fields)).unwrap();
    Protobuf::value(registry, topic, schema, "shop.Order").unwrap()
}

#[test]
fn with_registering_off_a_schema_is_looked_up() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let settings = RegistrySettings { auto_register: false, ..RegistrySettings::new(&services.registry_url) };
    let (off, topic) = (Registry::new(&settings)?, unique("off"));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    let order = Order { id: "a".into() };
    let serde = orders(&off, &topic, "string id = 1;");
    assert!(serde.check_writable().unwrap_err().to_string().contains("auto_register"));
    let error = serde.encode(&order, &mut here).unwrap_err();
    assert!(!error.is_transient() && here.is_empty(), "{error}");
    for expected in [&format!("subject {topic}-value"), "auto_register"] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    orders(&services.registry(), &topic, "string id = 1;").encode(&order, &mut there)?;
    serde.encode(&order, &mut here)?;
    serde.check_writable()?;
    assert_eq!(here, there);
    // Others that the subject does not have are as unknown as before.
    assert!(orders(&off, &topic, "string id = 1; string note = 2;").encode(&order, &mut Vec::new()).is_err());
    Ok(())
}

#[test]
fn a_serde_is_refused_at_start_where_its_schema_is_not_compatible() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let (registry, topic) = (services.registry(), unique("start"));
    orders(&registry, &topic, "string id = 1;").encode(&Order { id: "a".into() }, &mut Vec::new())?;
    services.set_compatibility(&format!("{topic}-value"), "BACKWARD")?;
    let changed = orders(&registry, &topic, "int32 id = 1;");
    let error = changed.check_writable().unwrap_err();
    assert!(error.to_string().contains("is not compatible with what subject"), "{error}");
    orders(&registry, &topic, "string id = 1; string note = 2;").check_writable()?;
    Ok(())
}

/// Registers a schema of orders under a subject, and then has readers look at all that come after.
fn registered(services: &Services, subject: &str, fields: &[&str]) -> Result<()> {
    services.registry().register(subject, &Schema::new(SchemaType::Avro, avro(fields)))?;
    services.set_compatibility(subject, "BACKWARD")
}

#[test]
fn an_application_is_refused_at_start_where_a_sink_or_a_store_is_not_compatible() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let (registry, id) = (services.registry(), unique("start"));
    let (input, output, changelog) = (format!("{id}-in"), format!("{id}-out"), format!("{id}-orders-changelog"));
    let asked = |of_sink: &[&str], of_store: &[&str]| {
        let serde = |topic: &str, fields: &[&str]| {
            let reader = AvroSchema::parse(&avro(fields)).unwrap();
            AvroRecords::read_as(&registry, Subject::Named(format!("{topic}-value")), reader)
        };
        let (of_sink, of_store) = (serde(&output, of_sink), serde(&changelog, of_store));
        let (input, output) = (input.clone(), output.clone());
        let define = move |b: &TopologyBuilder| {
            let orders = b.stream(&Topic::<String, AvroRecord>::new(input.as_str(), Utf8, of_sink.clone()));
            let latest = orders.group_by_key().reduce(Store::new("orders", Utf8, of_store.clone()), |_, new| new);
            latest.to_stream().to(&Topic::new(output.as_str(), Utf8, of_sink.clone()));
        };
        let application = Application::new(Options::new(&id, "instance-0"), Arc::new(define)).unwrap();
        application.check_writable().map_err(|error| error.to_string())
    };
    // Nothing is registered by asking.
    for _ in 0..2 {
        assert_eq!(asked(&[ID], &[ID]), Ok(()));
        assert_eq!(asked(&[NOTE], &[NOTE]), Ok(()));
    }
    for topic in [&output, &changelog] {
        registered(services, &format!("{topic}-value"), &[ID])?;
    }
    assert_eq!(asked(&[ID, NOTE_OR_EMPTY], &[ID, NOTE_OR_EMPTY]), Ok(()));
    let error = asked(&[ID, NOTE], &[ID]).unwrap_err();
    for told in [format!("sink {output}: "), format!("subject {output}-value has")] {
        assert!(error.contains(&told), "{error}");
    }
    let error = asked(&[ID], &[ID_AS_NUMBER]).unwrap_err();
    for told in ["store orders", &format!("changelog is {changelog}: "), &format!("subject {changelog}-value has")] {
        assert!(error.contains(told), "{error}");
    }
    assert!(error.to_lowercase().contains("id") && !error.contains("sink"), "{error}");
    Ok(())
}

#[test]
fn subjects_are_those_of_the_strategy() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let (registry, package) = (services.registry(), unique("shop").replace('-', "_"));
    let text = protobuf("string id = 1;").replace("package shop", &format!("package {package}"));
    let (schema, name) = (std::sync::Arc::new(ProtobufSchema::new(&text)?), format!("{package}.Order"));
    let record = ProtobufRecord::new(schema, &name)?;
    for (strategy, part, expected) in [
        (SubjectStrategy::Topic, Part::Value, format!("{package}-topic-value")),
        (SubjectStrategy::Topic, Part::Key, format!("{package}-topic-key")),
        (SubjectStrategy::Record, Part::Value, name.clone()),
        (SubjectStrategy::TopicRecord, Part::Value, format!("{package}-topic-{name}")),
    ] {
        assert!(matches!(services.registry().latest(&expected), Err(RegistryError::NotFound(_))), "{expected}");
        let topic = format!("{package}-topic");
        let serde = ProtobufRecords::new(&registry, Subject::ByRecord { strategy, topic, part });
        serde.encode(&record, &mut Vec::new())?;
        assert_eq!(services.registry().latest(&expected)?.schema.text, text);
    }
    Ok(())
}

#[test]
fn what_the_registry_does_not_know_is_an_error_of_the_record() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let registry = services.registry();
    let error = orders(&registry, "t", "string id = 1;").decode(&[0, 0x7f, 0, 0, 0, 0]).unwrap_err();
    assert!(error.to_string().contains("no schema with the id 2130706432") && !error.is_transient(), "{error}");
    let subject = unique("invalid");
    for schema in [
        Schema::new(SchemaType::Protobuf, "message {"),
        Schema::new(SchemaType::Avro, "{\"type\": \"recor\"}"),
        Schema::new(SchemaType::Json, "{"),
    ] {
        let error = registry.register(&subject, &schema).unwrap_err();
        assert!(matches!(error, RegistryError::Refused(_)), "{schema:?}: {error:?}");
    }
    Ok(())
}
