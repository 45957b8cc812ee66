//! The rules of a real registry: compatible changes of schemas, registering that is off, subjects.

use anyhow::Result;
use millstream::serde::{Serde, SerdeError};
use millstream_formats::protobuf::{Protobuf, ProtobufRecord, ProtobufRecords, ProtobufSchema};
use millstream_formats::registry::{
    Part, Registry, RegistryError, RegistrySettings, Schema, SchemaType, Subject, SubjectStrategy,
};
use millstream_tests::cluster::unique;
use prost::Message;

use crate::services::services;

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
        of_avro("FORWARD", &[ID, NOTE], Some(&[NOTE])),
        of_avro("FULL", &[ID, NOTE_OR_EMPTY], Some(&[ID, NOTE])),
        of_avro("NONE", &[ID_AS_NUMBER], None),
    ];
    changes.push(Change {
        schema_type: SchemaType::Protobuf,
        level: "BACKWARD",
        before: protobuf("string id = 1;"),
        compatible: protobuf("string id = 1; string note = 2;"),
        incompatible: Some(protobuf("int32 id = 1;")),
    });
    changes.push(Change {
        schema_type: SchemaType::Json,
        level: "BACKWARD",
        before: json(r#""id": {"type": "string"}"#),
        compatible: json(r#""id": {"type": "string"}, "note": {"type": "string"}"#),
        incompatible: Some(json(r#""id": {"type": "integer"}"#)),
    });
    changes
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
            assert!(message.contains("is not compatible with the latest one of subject") && message.contains(&subject));
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
    assert!(error.to_string().contains("is not compatible with the latest one of subject"), "{error}");
    orders(&registry, &topic, "string id = 1; string note = 2;").check_writable()?;
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
