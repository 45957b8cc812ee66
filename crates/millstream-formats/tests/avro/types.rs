//! What Avro has, one by one: logical types, unions, enums, defaults, aliases, namespaces.

use std::collections::{BTreeMap, HashMap};

use millstream::serde::{Serde, SerdeError};
use millstream_formats::avro::apache_avro::types::Value;
use millstream_formats::avro::apache_avro::{self, Decimal, Uuid};
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{registry, schema};

/// Writes by one schema, and reads by another.
fn read_as<R: DeserializeOwned + Serialize>(
    writer: &str,
    value: &impl Serialize,
    reader: &str,
) -> Result<R, SerdeError> {
    let (_, client) = registry();
    let record = AvroRecord::of(schema(writer), value)?;
    let mut bytes = Vec::new();
    AvroRecords::value(&client, "a").encode(&record, &mut bytes)?;
    Avro::value(&client, "a", schema(reader)).decode(&bytes)
}

/// Writes and reads by the same schema.
fn back<T: DeserializeOwned + Serialize>(text: &str, value: &T) -> T {
    let (_, client) = registry();
    let serde = Avro::value(&client, "a", schema(text));
    let mut bytes = Vec::new();
    serde.encode(value, &mut bytes).unwrap();
    serde.decode(&bytes).unwrap()
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, apache_avro::AvroSchema)]
#[avro(namespace = "org.example")]
struct Payment {
    id: String,
    cents: i64,
    #[avro(default = "1.5")]
    rate: f64,
    tags: Vec<String>,
    by_place: HashMap<String, i32>,
    note: Option<String>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, apache_avro::AvroSchema)]
enum Kind {
    Card,
    Cash,
}

fn payment() -> Payment {
    Payment {
        id: "p1".into(),
        cents: -7,
        rate: 0.25,
        tags: vec!["a".into(), "ö".into()],
        by_place: HashMap::from([("Oslo".into(), 3)]),
        note: None,
        kind: Kind::Cash,
    }
}

#[test]
fn a_derived_schema_writes_and_reads_its_type() {
    let (_, client) = registry();
    let derived = AvroSchema::of::<Payment>().unwrap();
    assert_eq!(derived.name(), "org.example.Payment");
    let serde = Avro::value(&client, "payments", derived);
    for value in [payment(), Payment { note: Some("x".into()), ..payment() }] {
        let mut bytes = Vec::new();
        serde.encode(&value, &mut bytes).unwrap();
        assert_eq!(Serde::<Payment>::decode(&serde, &bytes), Ok(value.clone()));
        let record: AvroRecord = AvroRecords::value(&client, "payments").decode(&bytes).unwrap();
        assert_eq!(record.field("cents"), Some(&Value::Long(-7)));
        assert_eq!(record.to::<Payment>().unwrap(), value);
        assert_eq!(AvroRecord::of(derived, &value).unwrap(), record);
        let mut again = Vec::new();
        AvroRecords::value(&client, "payments").encode(&record, &mut again).unwrap();
        assert_eq!(again, bytes);
    }
}

#[test]
fn a_fetched_schema_is_the_one_that_was_registered() {
    let (_, client) = registry();
    let text = record("Note", r#"{"name":"text","type":"string","default":"none"}"#);
    client.register("notes-value", schema(&text).registered()).unwrap();
    assert_eq!(AvroSchema::latest(&client, "notes-value").unwrap(), schema(&text));
}

#[test]
fn logical_types_of_numbers_and_days() {
    for (logical, of, value) in [
        ("date", "int", 19_000_i64),
        ("time-millis", "int", 86_399_999),
        ("time-micros", "long", 86_399_999_999),
        ("timestamp-millis", "long", -1),
        ("timestamp-micros", "long", i64::MAX),
        ("timestamp-nanos", "long", i64::MIN),
        ("local-timestamp-millis", "long", 5),
        ("local-timestamp-micros", "long", 5),
    ] {
        let text = format!(r#"{{"type":"{of}","logicalType":"{logical}"}}"#);
        let found = match of {
            "int" => i64::from(back(&text, &i32::try_from(value).unwrap())),
            _ => back(&text, &value),
        };
        assert_eq!(found, value, "{logical}");
    }
    // What does not know the logical type sees the number.
    assert_eq!(read_as::<i64>("\"long\"", &-1_i64, r#"{"type":"long","logicalType":"timestamp-millis"}"#).unwrap(), -1);
    assert_eq!(read_as::<i64>(r#"{"type":"int","logicalType":"date"}"#, &7, "\"long\"").unwrap(), 7);
}

#[test]
fn decimals_keep_their_digits() {
    for of in [r#""type":"bytes""#, r#""type":"fixed","name":"D","size":6"#] {
        let text = format!(r#"{{{of},"logicalType":"decimal","precision":10,"scale":2}}"#);
        let (_, client) = registry();
        let serde = AvroRecords::value(&client, "a");
        let value = Value::Decimal(Decimal::from(vec![0xff, 0x85, 0x01, 0x00, 0x07, 0x09]));
        let record = AvroRecord::new(schema(&text), value).unwrap();
        let mut bytes = Vec::new();
        serde.encode(&record, &mut bytes).unwrap();
        assert_eq!(serde.decode(&bytes), Ok(record));
        let other = text.replace(r#""scale":2"#, r#""scale":3"#);
        let read = AvroRecords::read_as(&client, subject(), schema(&other)).decode(&bytes).unwrap_err();
        assert!(read.to_string().contains("decimal(10, 2) was written, and decimal(10, 3) is read"), "{read}");
    }
}

fn subject() -> millstream_formats::registry::Subject {
    millstream_formats::registry::Subject::Named("a-value".into())
}

#[test]
fn uuids_as_text_and_as_bytes() {
    let uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    for text in
        [r#"{"type":"string","logicalType":"uuid"}"#, r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#]
    {
        let (_, client) = registry();
        let serde = AvroRecords::value(&client, "a");
        let record = AvroRecord::new(schema(text), Value::Uuid(uuid)).unwrap();
        let mut bytes = Vec::new();
        serde.encode(&record, &mut bytes).unwrap();
        assert_eq!(serde.decode(&bytes), Ok(record));
    }
    let text = read_as::<String>(r#"{"type":"string","logicalType":"uuid"}"#, &uuid.to_string(), "\"string\"");
    assert_eq!(text.unwrap(), uuid.to_string());
}

#[test]
fn a_timestamp_is_not_read_in_another_unit() {
    let (ms, us) =
        (r#"{"type":"long","logicalType":"timestamp-millis"}"#, r#"{"type":"long","logicalType":"timestamp-micros"}"#);
    let error = read_as::<i64>(ms, &5_i64, us).unwrap_err();
    assert!(error.to_string().contains("timestamp-millis was written, and timestamp-micros is read"), "{error}");
    assert_eq!(read_as::<i64>(ms, &5_i64, "\"long\"").unwrap(), 5);
}

#[test]
fn numbers_are_read_as_larger_ones() {
    assert_eq!(read_as::<i64>("\"int\"", &-3, "\"long\"").unwrap(), -3);
    assert_eq!(read_as::<f32>("\"int\"", &-3, "\"float\"").unwrap(), -3.0);
    assert_eq!(read_as::<f64>("\"int\"", &-3, "\"double\"").unwrap(), -3.0);
    assert_eq!(read_as::<f32>("\"long\"", &7_i64, "\"float\"").unwrap(), 7.0);
    assert_eq!(read_as::<f64>("\"long\"", &7_i64, "\"double\"").unwrap(), 7.0);
    assert_eq!(read_as::<f64>("\"float\"", &0.5_f32, "\"double\"").unwrap(), 0.5);
    assert_eq!(read_as::<String>("\"bytes\"", &Written(b"ab"), "\"string\"").unwrap(), "ab");
    let error = read_as::<i32>("\"long\"", &7_i64, "\"int\"").unwrap_err();
    assert!(error.to_string().contains("long was written, and int is read") && !error.is_transient(), "{error}");
}

/// Written as bytes.
struct Written(&'static [u8]);

impl Serialize for Written {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[test]
fn unions_grow_and_shrink() {
    let (some, all) = (r#"["null","string"]"#, r#"["string","null","long"]"#);
    for value in [None, Some("x".to_owned())] {
        let in_all = AvroRecord::of(schema(some), &value).unwrap().resolved(schema(all)).unwrap();
        let expected = match &value {
            None => Value::Union(1, Box::new(Value::Null)),
            Some(text) => Value::Union(0, Box::new(Value::String(text.clone()))),
        };
        assert_eq!(in_all.value(), &expected);
        assert_eq!(in_all.resolved(schema(some)).unwrap().to::<Option<String>>().unwrap(), value);
    }
    // Out of a union, and into one.
    assert_eq!(read_as::<Option<String>>("\"string\"", &"x", some).unwrap(), Some("x".into()));
    assert_eq!(read_as::<String>(some, &Some("x"), "\"string\"").unwrap(), "x");
    let error = read_as::<String>(some, &None::<String>, "\"string\"").unwrap_err();
    assert!(error.to_string().contains("null was written, and string is read"), "{error}");
    let long = AvroRecord::new(schema(all), Value::Union(2, Box::new(Value::Long(5)))).unwrap();
    let error = long.resolved(schema(some)).unwrap_err();
    assert!(error.to_string().contains("long was written, and one of null, string is read"), "{error}");
    // An int becomes a long where there is no int.
    let int = AvroRecord::of(schema("\"int\""), &5).unwrap().resolved(schema(all)).unwrap();
    assert_eq!(int.value(), &Value::Union(2, Box::new(Value::Long(5))));
}

#[test]
fn enums_by_symbol_with_a_default() {
    let of = |symbols: &str, more: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{more}}}"#);
    let read = |symbol: &str, reader: &str| {
        let record = AvroRecord::of(schema(&of(r#""A","B","C""#, "")), &Symbol(symbol.to_owned())).unwrap();
        record.resolved(schema(reader)).map(|record| record.into_value())
    };
    let moved = of(r#""C","B","A""#, "");
    assert_eq!(read("A", &moved).unwrap(), Value::Enum(2, "A".into()));
    let fewer = of(r#""A","Z""#, r#","default":"Z""#);
    assert_eq!(read("C", &fewer).unwrap(), Value::Enum(1, "Z".into()));
    let without = of(r#""A""#, "");
    let error = read("B", &without).unwrap_err();
    assert!(error.to_string().contains("found B, which enum E of the reader does not have, nor a default"), "{error}");
    assert_eq!(read("A", &without).unwrap(), Value::Enum(0, "A".into()));
}

/// A symbol that is known at run time.
struct Symbol(String);

impl Serialize for Symbol {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let symbol: &'static str = ["A", "B", "C"].into_iter().find(|symbol| *symbol == self.0).unwrap();
        serializer.serialize_unit_variant(
            "E",
            ["A", "B", "C"].iter().position(|s| *s == symbol).unwrap() as u32,
            symbol,
        )
    }
}

#[test]
fn fields_come_and_go_move_and_are_renamed() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "R")]
    struct Old {
        id: i32,
        gone: Vec<String>,
        name: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Renamed")]
    struct New {
        title: String,
        id: i64,
        items: Vec<i32>,
        inner: BTreeMap<String, f64>,
        maybe: Option<String>,
        flag: bool,
    }
    let old = record(
        "org.old.R",
        r#"{"name":"id","type":"int"},{"name":"gone","type":{"type":"array","items":"string"}},
        {"name":"name","type":"string"}"#,
    );
    let new = r#"{"type":"record","name":"Renamed","namespace":"org.new","aliases":["org.old.R"],"fields":[
            {"name":"title","type":"string","aliases":["label","name"]},
            {"name":"id","type":"long"},
            {"name":"items","type":{"type":"array","items":"int"},"default":[1,2]},
            {"name":"inner","type":{"type":"map","values":"double"},"default":{"a":1.5}},
            {"name":"maybe","type":["null","string"],"default":null},
            {"name":"flag","type":"boolean","default":true}]}"#;
    let value = Old { id: 3, gone: vec!["x".into(); 3], name: "n".into() };
    let found: New = read_as(&old, &value, new).unwrap();
    let inner = BTreeMap::from([("a".to_owned(), 1.5)]);
    assert_eq!(found, New { title: "n".into(), id: 3, items: vec![1, 2], inner, maybe: None, flag: true });
    let error = read_as::<Old>(new, &found, &old).unwrap_err();
    assert!(error.to_string().contains("org.new.Renamed was written, and org.old.R is read"), "{error}");
    let without = new.replace(r#","default":true"#, "");
    let error = read_as::<New>(&old, &value, &without).unwrap_err();
    assert!(error.to_string().contains("field flag was not written, and it has no default"), "{error}");
    assert!(!error.is_transient());
}

#[test]
fn namespaces_are_inherited_and_do_not_keep_a_record_from_being_read() {
    let text = r#"{"type":"record","name":"Outer","namespace":"a.b","fields":[
        {"name":"first","type":{"type":"record","name":"Inner","fields":[{"name":"n","type":"int"}]}},
        {"name":"second","type":"Inner"},
        {"name":"third","type":"a.b.Inner"},
        {"name":"other","type":{"type":"record","name":"c.Inner","fields":[{"name":"x","type":"string"}]}}]}"#;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        n: i32,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Inner")]
    struct Other {
        x: String,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Outer {
        first: Inner,
        second: Inner,
        third: Inner,
        other: Other,
    }
    let inner = |n| Inner { n };
    let value = Outer { first: inner(1), second: inner(2), third: inner(3), other: Other { x: "y".into() } };
    assert_eq!(back(text, &value), value);
    assert_eq!(read_as::<Outer>(text, &value, &text.replace("a.b", "z")).unwrap(), value);
}

#[test]
fn a_record_within_itself() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Node {
        value: i64,
        next: Option<Box<Node>>,
    }
    let of = |number: &str| {
        record("Node", &format!(r#"{{"name":"value","type":"{number}"}},{{"name":"next","type":["null","Node"]}}"#))
    };
    let list = |length: i64| (0..length).fold(None, |next, value| Some(Box::new(Node { value, next }))).unwrap();
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "Node")]
    struct Doubles {
        value: f64,
        next: Option<Box<Doubles>>,
    }
    let doubles = |length: i64| {
        let node = |next, value| Some(Box::new(Doubles { value: value as f64, next }));
        (0..length).fold(None, node).unwrap()
    };
    assert_eq!(back(&of("long"), &*list(30)), *list(30));
    assert_eq!(read_as::<Doubles>(&of("long"), &list(30), &of("double")).unwrap(), *doubles(30));
    let error = read_as::<Doubles>(&of("long"), &list(34), &of("double")).unwrap_err();
    assert!(error.to_string().contains("more than 64 deep"), "{error}");
}

#[test]
fn the_data_model_of_serde() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Of {
        Nothing,
        Number(i64),
        Pair { a: String, b: bool },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner(i32);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Model {
        unit: (),
        letter: char,
        small: u8,
        wide: u32,
        pair: (i64, String),
        list: Vec<Of>,
        inner: Inner,
        nested: Vec<BTreeMap<String, Option<bool>>>,
        #[serde(with = "apache_avro::serde::bytes")]
        bytes: Vec<u8>,
    }
    let text = record(
        "Model",
        r#"
        {"name":"unit","type":"null"},{"name":"letter","type":"string"},{"name":"small","type":"int"},
        {"name":"wide","type":"long"},
        {"name":"pair","type":{"type":"record","name":"P","fields":[
            {"name":"x","type":"long"},{"name":"y","type":"string"}]}},
        {"name":"list","type":{"type":"array","items":["null","long",{"type":"record","name":"Pair","fields":[
            {"name":"a","type":"string"},{"name":"b","type":"boolean"}]}]}},
        {"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"n","type":"int"}]}},
        {"name":"nested","type":{"type":"array","items":{"type":"map","values":["null","boolean"]}}},
        {"name":"bytes","type":"bytes"}"#,
    );
    let value = Model {
        unit: (),
        letter: 'ö',
        small: 200,
        wide: u32::MAX,
        pair: (-1, "p".into()),
        list: vec![Of::Nothing, Of::Number(7), Of::Pair { a: "a".into(), b: true }],
        inner: Inner(-5),
        nested: vec![BTreeMap::from([("x".into(), Some(true)), ("y".into(), None)]), BTreeMap::new()],
        bytes: vec![0, 255],
    };
    assert_eq!(back(&text, &value), value);
    // JSON has no bytes.
    let without = text.replace(r#"{"name":"bytes","type":"bytes"}"#, r#"{"name":"more","type":"null","default":null}"#);
    let json: serde_json::Value = read_as(&text, &value, &without).unwrap();
    assert_eq!(json["list"], serde_json::json!([null, 7, { "a": "a", "b": true }]));
    assert_eq!(json["pair"], serde_json::json!({ "x": -1, "y": "p" }));
}

#[test]
fn a_struct_reads_a_record_of_another_name_and_numbers_that_it_has_room_for() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Mine {
        n: i64,
        inner: BTreeMap<String, u16>,
    }
    let text = record(
        "org.Theirs",
        r#"{"name":"n","type":"int"},
        {"name":"inner","type":{"type":"record","name":"In","fields":[{"name":"a","type":"long"}]}}"#,
    );
    let fields = |a| {
        let inner = Value::Record(vec![("a".into(), Value::Long(a))]);
        Value::Record(vec![("n".into(), Value::Int(-3)), ("inner".into(), inner)])
    };
    let mine = |a| AvroRecord::new(schema(&text), fields(a)).unwrap().to::<Mine>();
    assert_eq!(mine(500).unwrap(), Mine { n: -3, inner: BTreeMap::from([("a".into(), 500)]) });
    let error = mine(-1).unwrap_err().to_string();
    assert!(error.contains("Theirs.inner: In.a: invalid value: integer `-1`, expected u16"), "{error}");
}
