//! What is not as it should be is an error of the record, told clearly, and costs little.

use std::time::{Duration, Instant};

use millstream::serde::{Serde, SerdeError};
use millstream_formats::avro::apache_avro::types::Value;
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::registry::Subject;
use millstream_formats::registry::{Part, Schema, SchemaType, SubjectStrategy};

use crate::{registry, schema};

/// What reading these bytes as values of the schema says, typed and dynamic.
fn errors(text: &str, body: &[u8]) -> [SerdeError; 2] {
    let (_, client) = registry();
    let schema = schema(text);
    let id = client.register("a-value", schema.registered()).unwrap();
    let mut bytes = vec![0];
    bytes.extend(id.0.to_be_bytes());
    bytes.extend(body);
    let start = Instant::now();
    let typed = Serde::<serde_json::Value>::decode(&Avro::value(&client, "a", schema), &bytes).unwrap_err();
    let dynamic = AvroRecords::value(&client, "a").decode(&bytes).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(!typed.is_transient() && !dynamic.is_transient());
    [typed, dynamic]
}

fn all_say(errors: &[SerdeError; 2], expected: &str) {
    for error in errors {
        assert!(error.to_string().contains(expected), "{error}");
    }
}

const NOTE: &str =
    r#"{"type":"record","name":"Note","fields":[{"name":"text","type":"string"},{"name":"ok","type":"boolean"}]}"#;

#[test]
fn a_wrong_first_byte() {
    let (_, client) = registry();
    let error = Serde::<i64>::decode(&Avro::value(&client, "a", schema("\"long\"")), b"{\"a\":1}").unwrap_err();
    assert!(error.to_string().contains("found 0x7b as the first byte"), "{error}");
}

#[test]
fn bytes_behind_the_value() {
    all_say(&errors(NOTE, &[2, b'x', 1, 9, 9]), "found 2 bytes behind the value, which ends at byte 3");
}

#[test]
fn values_that_are_cut_off() {
    all_say(&errors(NOTE, &[]), "found the end at byte 0");
    all_say(&errors(NOTE, &[8, b'x']), "found a length of 4 at byte 1; 1 bytes are left");
    all_say(&errors(NOTE, &[2, b'x']), "found 0 bytes at byte 2; 1 are to be there");
    all_say(&errors("\"double\"", &[1, 2, 3]), "8 are to be there");
    all_say(&errors(r#"["null","long"]"#, &[]), "found the end");
}

#[test]
fn values_that_are_none() {
    all_say(&errors(NOTE, &[2, b'x', 7]), "found 0x07 at byte 2; a boolean is 0x00 or 0x01");
    all_say(&errors("\"int\"", &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), "which is no int");
    all_say(&errors("\"long\"", &[0xff; 12]), "a number of more than ten bytes");
    all_say(&errors(r#"["null","long"]"#, &[8]), "found branch 4 of a union that has 2");
    all_say(&errors(r#"["null","long"]"#, &[1]), "found branch -1 of a union that has 2");
    all_say(&errors(r#"{"type":"enum","name":"E","symbols":["A"]}"#, &[2]), "found symbol 1 of an enum that has 1");
    all_say(&errors("\"string\"", &[2, 0xff]), "not the Avro expected");
}

#[test]
fn absurd_lengths() {
    let large = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    all_say(&errors("\"string\"", &large), "found a length of 9223372036854775807");
    all_say(&errors("\"bytes\"", &[0x01]), "found a length of -1");
    all_say(&errors(r#"{"type":"array","items":"long"}"#, &large), "found a block of 9223372036854775807 items");
    all_say(&errors(r#"{"type":"array","items":"null"}"#, &large), "found a block of 9223372036854775807 items");
    all_say(&errors(r#"{"type":"map","values":"null"}"#, &large), "found a block of 9223372036854775807 items");
    let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0];
    all_say(&errors(r#"{"type":"array","items":"null"}"#, &least), "found a block of 2^63 items");
}

#[test]
fn values_of_no_bytes_cost_no_more_than_some() {
    // Each record holds two of the next kind, forty deep, and no byte is written for any.
    let mut text = String::from("\"null\"");
    for depth in 0..40 {
        let fields = [
            format!(r#"{{"name":"a","type":{text}}}"#),
            format!(
                r#"{{"name":"b","type":{}}}"#,
                if depth == 0 { "\"null\"".into() } else { format!("\"R{}\"", depth - 1) }
            ),
        ];
        text = format!(r#"{{"type":"record","name":"R{depth}","fields":[{}]}}"#, fields.join(","));
    }
    all_say(&errors(&text, &[]), "too much work for one record");
    let nulls = [0x80, 0x80, 0x04, 0x80, 0x80, 0x04, 0x80, 0x80, 0x04, 0];
    all_say(
        &errors(r#"{"type":"array","items":"null"}"#, &nulls),
        "found a block of 32768 items at byte 9, in a value of 10 bytes",
    );
}

#[test]
fn values_within_values_without_end() {
    let node = r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#;
    all_say(&errors(node, &[2; 100_000]), "more than 64 deep");
    let tree = r#"{"type":"record","name":"Tree","fields":[{"name":"of","type":{"type":"array","items":"Tree"}}]}"#;
    all_say(&errors(tree, &[2; 100_000]), "more than 64 deep");
    let endless = r#"{"type":"record","name":"Endless","fields":[{"name":"next","type":"Endless"}]}"#;
    all_say(&errors(endless, &[]), "more than 64 deep");
}

#[test]
fn schemas_within_schemas_without_end() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(500), "}".repeat(500));
    let error = AvroSchema::parse(&deep).unwrap_err();
    assert!(error.to_string().contains("more than 64 deep"), "{error}");
    let fine = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(60), "}".repeat(60));
    AvroSchema::parse(&fine).unwrap();
    for text in ["", "{", "\"nope\"", r#"{"type":"record"}"#, "[[\"int\"]]"] {
        assert!(AvroSchema::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_schema_of_another_language() {
    let (_, client) = registry();
    let id = client.register("a-value", &Schema::new(SchemaType::Json, "{}")).unwrap();
    let mut bytes = vec![0];
    bytes.extend(id.0.to_be_bytes());
    let error = AvroRecords::value(&client, "a").decode(&bytes).unwrap_err();
    assert!(
        error.to_string().contains("is JSON Schema; an Avro schema is expected") && !error.is_transient(),
        "{error}"
    );
}

#[test]
fn an_incompatible_schema_is_told_with_its_place_each_time_without_a_question() {
    let (fake, client) = registry();
    let written = schema(r#"{"type":"record","name":"A","fields":[{"name":"x","type":"string"}]}"#);
    let read = schema(r#"{"type":"record","name":"A","fields":[{"name":"x","type":"long"}]}"#);
    let mut bytes = Vec::new();
    let value = Value::Record(vec![("x".into(), Value::String("7".into()))]);
    AvroRecords::value(&client, "a").encode(&AvroRecord::new(written, value).unwrap(), &mut bytes).unwrap();
    let serde = Avro::value(&client, "a", read);
    let expected = "schema 1 of the registry cannot be read as A: A: field x: string was written, and long is read";
    let mut asked = None;
    for _ in 0..3 {
        let error = Serde::<serde_json::Value>::decode(&serde, &bytes).unwrap_err();
        assert_eq!(error, SerdeError::new(expected));
        assert_eq!(*asked.get_or_insert(fake.asked()), fake.asked());
    }
}

#[test]
fn a_value_that_does_not_fit_leaves_nothing_behind() {
    let (_, client) = registry();
    let serde = Avro::value(&client, "a", schema(NOTE));
    let mut out = vec![1, 2];
    let error = serde.encode(&serde_json::json!({ "text": "x" }), &mut out).unwrap_err();
    assert!(error.to_string().contains("cannot be written as Note"), "{error}");
    assert_eq!(out, [1, 2]);
    assert!(AvroRecord::new(schema(NOTE), Value::Int(3)).is_err());
}

#[test]
fn each_record_has_its_own_subject_where_the_strategy_says_so() {
    for (strategy, expected) in [
        (SubjectStrategy::Topic, ["t-value", "t-value"]),
        (SubjectStrategy::Record, ["x.A", "x.B"]),
        (SubjectStrategy::TopicRecord, ["t-x.A", "t-x.B"]),
    ] {
        let (_, client) = registry();
        let serde = AvroRecords::new(&client, Subject::ByRecord { strategy, topic: "t".into(), part: Part::Value });
        for (name, subject) in ["x.A", "x.B"].into_iter().zip(expected) {
            let schema = schema(&format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#));
            let record = AvroRecord::new(schema, Value::Record(Vec::new())).unwrap();
            let mut bytes = Vec::new();
            serde.encode(&record, &mut bytes).unwrap();
            assert_eq!(serde.decode(&bytes), Ok(record));
            assert_eq!(AvroSchema::latest(&client, subject).unwrap(), schema);
        }
    }
}
