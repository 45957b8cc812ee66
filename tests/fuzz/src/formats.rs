use std::sync::LazyLock;

use millstream::prelude::*;
use millstream_formats::csv::CsvLine;
use millstream_formats::json_schema::JsonSchema;
use millstream_formats::message_pack::MessagePack;
use millstream_formats::protobuf::{Protobuf, ProtobufRecord, ProtobufRecords, ProtobufSchema};
use millstream_formats::registry::{Registry, Schema, SchemaType};
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::serdes::read;

const PROTO: &str = r#"
syntax = "proto3";
import "google/protobuf/struct.proto";
message Other { string reason = 1; }
message Order {
  message Line { string article = 1; uint32 count = 2; repeated sint64 offsets = 3; }
  string id = 1;
  repeated Line lines = 2;
  Order before = 3;
  map<string, Other> others = 4;
  optional bytes raw = 5;
  oneof paid { string card = 6; fixed32 cash = 7; }
  google.protobuf.ListValue list = 8;
}
"#;

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(string, tag = "1")]
    article: String,
    #[prost(uint32, tag = "2")]
    count: u32,
    #[prost(sint64, repeated, tag = "3")]
    offsets: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    lines: Vec<Line>,
    #[prost(message, optional, boxed, tag = "3")]
    before: Option<Box<Order>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    raw: Option<Vec<u8>>,
}

const JSON: &str = r##"{"type": "object", "required": ["id"], "additionalProperties": {"$ref": "#"}, "properties": {
  "id": {"type": "string", "pattern": "^(a+)+$", "format": "email"},
  "n": {"type": "number", "multipleOf": 0.01}, "list": {"uniqueItems": true, "items": {"enum": [1, "a", null]}}}}"##;

/// Serdes of a registry whose schema 1 is Protobuf, 2 JSON Schema, and 3 Avro.
struct Serdes {
    typed: Protobuf<Order>,
    dynamic: ProtobufRecords,
    json: JsonSchema<Value>,
}

static SERDES: LazyLock<Serdes> = LazyLock::new(|| {
    let registry = Registry::in_memory();
    let schema = || ProtobufSchema::new(PROTO).unwrap_or_else(|error| panic!("{error}"));
    let typed = Protobuf::value(&registry, "t", schema(), "Order").unwrap_or_else(|error| panic!("{error}"));
    let json = JsonSchema::value(&registry, "t", JSON).unwrap_or_else(|error| panic!("{error}"));
    let schemas = [(SchemaType::Protobuf, PROTO), (SchemaType::Json, JSON), (SchemaType::Avro, "\"int\"")];
    for (schema_type, text) in schemas {
        let registered = registry.register("t", &Schema::new(schema_type, text));
        registered.unwrap_or_else(|error| panic!("{error}"));
    }
    Serdes { typed, dynamic: ProtobufRecords::value(&registry, "t"), json }
});

/// Mostly with a right frame in front; sometimes as it is.
fn framed(data: &[u8], id: u8) -> Vec<u8> {
    match data.split_first() {
        Some((0..16, rest)) => rest.to_vec(),
        Some((16..32, rest)) => [&[0, 0, 0, 0], rest].concat(),
        _ => [&[0, 0, 0, 0, id], data].concat(),
    }
}

pub(crate) fn protobuf(data: &[u8]) {
    let data = framed(data, 1);
    read::<Order>(&SERDES.typed, &data);
    // A list may hold numbers that are not equal to themselves.
    if let Ok(record) = SERDES.dynamic.decode(&data) {
        let (mut once, mut again) = (Vec::new(), Vec::new());
        let written = SERDES.dynamic.encode(&record, &mut once);
        written.unwrap_or_else(|error| panic!("what was read cannot be written: {error}"));
        let back: ProtobufRecord =
            SERDES.dynamic.decode(&once).unwrap_or_else(|error| panic!("not read again: {error}"));
        assert!(SERDES.dynamic.encode(&back, &mut again).is_ok() && again.len() == once.len());
    }
}

/// Schemas as text, and as descriptors.
pub(crate) fn protobuf_schema(data: &[u8]) {
    let registered = |text: &str| {
        let registry = Registry::in_memory();
        let id = registry.register("t", &Schema::new(SchemaType::Protobuf, text)).unwrap_or_else(|e| panic!("{e}"));
        let serde = ProtobufRecords::value(&registry, "t");
        // Also what is no schema has an answer.
        let _ = serde.decode(&[&[0, 0, 0, 0, id.0 as u8, 0], data].concat());
    };
    let Some((choice, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    match choice % 3 {
        0 => registered(&text),
        1 => registered(&format!("syntax = \"proto3\"; message A {{ {text} }}")),
        _ => registered(&base64::Engine::encode(&base64::prelude::BASE64_STANDARD, data)),
    }
}

pub(crate) fn json_schema(data: &[u8]) {
    let data = framed(data, 2);
    let Ok(value) = SERDES.json.decode(&data) else { return };
    let mut written = Vec::new();
    assert!(SERDES.json.encode(&value, &mut written).is_ok() && SERDES.json.decode(&written) == Ok(value));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Text(String),
    List(Vec<Kind>),
    Named { at: i128, of: Option<Box<Kind>> },
}

pub(crate) fn message_pack(data: &[u8]) {
    read::<Kind>(&MessagePack, data);
    read::<std::collections::BTreeMap<String, (u8, i64, bool)>>(&MessagePack, data);
    read::<Vec<Option<Vec<u8>>>>(&MessagePack, data);
}

pub(crate) fn csv(data: &[u8]) {
    read::<(String, u64)>(&CsvLine::new(), data);
    read::<Vec<String>>(&CsvLine::new().delimited_by(b'\t'), data);
    read::<(Option<i32>, Option<bool>, char)>(&CsvLine::new(), data);
}
