//! Protobuf against a registry in memory; against others' programs, in the suite `formats`.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use millstream::serde::{Serde, SerdeError};
use prost::Message;
use prost_reflect::{ReflectMessage, Value};

use super::{Protobuf, ProtobufRecord, ProtobufRecords, ProtobufSchema};
use crate::registry::{Part, Registry, Schema, SchemaType, Subject, SubjectStrategy};

const TEXT: &str = r#"
syntax = "proto3";
package shop;
import "money.proto";
import "google/protobuf/timestamp.proto";
message Cancelled { string reason = 1; }
message Order {
  map<string, string> tags = 6;
  message Line { string article = 1; uint32 count = 2; }
  string id = 1;
  repeated Line lines = 2;
  money.Amount total = 3;
  google.protobuf.Timestamp at = 4;
  Order before = 5;
}
"#;
const MONEY: &str = "syntax = \"proto3\"; package money; message Amount { sint64 cents = 1; }";

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(string, tag = "1")]
    article: String,
    #[prost(uint32, tag = "2")]
    count: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Amount {
    #[prost(sint64, tag = "1")]
    cents: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    lines: Vec<Line>,
    #[prost(message, optional, tag = "3")]
    total: Option<Amount>,
    #[prost(message, optional, boxed, tag = "5")]
    before: Option<Box<Order>>,
}

fn schema() -> ProtobufSchema {
    ProtobufSchema::with_imports(TEXT, [("money.proto", MONEY)]).unwrap()
}

fn orders(registry: &Registry) -> Protobuf<Order> {
    Protobuf::value(registry, "orders", schema(), "shop.Order").unwrap()
}

fn dynamic(registry: &Registry) -> ProtobufRecords {
    let (strategy, topic, part) = (SubjectStrategy::TopicRecord, "copies".to_owned(), Part::Value);
    ProtobufRecords::new(registry, Subject::ByRecord { strategy, topic, part })
}

fn order() -> Order {
    let line = Line { article: "tea".into(), count: 3 };
    let before = Order { id: "a0".into(), ..Order::default() };
    Order { id: "a1".into(), lines: vec![line], total: Some(Amount { cents: -7 }), before: Some(Box::new(before)) }
}

fn written<T>(serde: &impl Serde<T>, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    serde.encode(value, &mut out).unwrap();
    out
}

fn error<T: std::fmt::Debug>(serde: &impl Serde<T>, bytes: &[u8]) -> SerdeError {
    serde.decode(bytes).unwrap_err()
}

#[test]
fn what_is_written_comes_back_typed_and_dynamic() {
    let registry = Registry::in_memory();
    let bytes = written(&orders(&registry), &order());
    // The import has the first id, the schema the second, in which Order is the second message.
    assert_eq!(bytes[..7], [0, 0, 0, 0, 2, 2, 2]);
    assert_eq!(orders(&registry).decode(&bytes), Ok(order()));

    let record = dynamic(&registry).decode(&bytes).unwrap();
    assert_eq!(record.message().descriptor().full_name(), "shop.Order");
    assert_eq!(record.message().get_field_by_name("id").unwrap().as_str(), Some("a1"));
    let copy = written(&dynamic(&registry), &record);
    assert_eq!(orders(&registry).decode(&copy), Ok(order()));
    assert_eq!(registry.latest("copies-shop.Order").unwrap().schema.references[0].subject, "money.proto");
}

#[test]
fn a_record_is_made_of_a_schema_alone() {
    let registry = Registry::in_memory();
    let schema = Arc::new(schema());
    let mut record = ProtobufRecord::new(schema.clone(), "shop.Order.Line").unwrap();
    record.message_mut().set_field_by_name("count", Value::U32(9));
    let serde = dynamic(&registry);
    let bytes = written(&serde, &record);
    // Behind the entry of the map `tags` in the descriptor, but the first declared one.
    assert_eq!(bytes[5..8], [4, 2, 0]);
    let read = serde.decode(&bytes).unwrap();
    assert_eq!(read.message().get_field_by_name("count").unwrap().as_u32(), Some(9));
    assert_eq!(written(&serde, &read), bytes);

    *record.message_mut() = ProtobufRecord::new(Arc::new(self::schema()), "shop.Cancelled").unwrap().message().clone();
    let error = serde.encode(&record, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("of another schema"), "{error}");
    let error = ProtobufRecord::new(schema, "shop.order").unwrap_err().to_string();
    assert_eq!(error, "found no message shop.order in the schema; at its top level are: shop.Cancelled, shop.Order");
}

#[test]
fn a_schema_may_be_its_descriptor_in_base64() {
    let registry = Registry::in_memory();
    let money = ProtobufSchema::new(MONEY).unwrap().message("money.Amount").unwrap();
    let described = BASE64_STANDARD.encode(money.parent_file_descriptor_proto().encode_to_vec());
    let id = registry.register("prices-value", &Schema::new(SchemaType::Protobuf, described)).unwrap();
    let amounts = Protobuf::<Amount>::value(&registry, "prices", ProtobufSchema::new(MONEY).unwrap(), "money.Amount");
    let bytes = [&[0, 0, 0, 0, id.0 as u8, 0][..], &Amount { cents: 5 }.encode_to_vec()].concat();
    assert_eq!(amounts.unwrap().decode(&bytes), Ok(Amount { cents: 5 }));
}

#[test]
fn unknown_fields_are_dropped_by_types_and_kept_by_records() {
    let registry = Registry::in_memory();
    let mut bytes = written(&orders(&registry), &order());
    // Field 99, a varint.
    bytes.extend([0x98, 6, 1]);
    assert_eq!(orders(&registry).decode(&bytes), Ok(order()));
    let record = dynamic(&registry).decode(&bytes).unwrap();
    assert!(written(&dynamic(&registry), &record).ends_with(&[0x98, 6, 1]));
}

#[test]
fn what_is_no_record_of_the_schema_is_told() {
    let registry = Registry::in_memory();
    let serde = orders(&registry);
    let good = written(&serde, &order());
    let with = |at: usize, bytes: &[u8]| [&good[..at], bytes].concat();
    let long = [&good[..], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]].concat();
    let cases = [
        (with(0, b"{}"), "found 2 bytes"),
        (with(0, b"{\"id\":1}"), "found 0x7b as the first byte"),
        (with(4, &[77, 0]), "the schema registry has no schema with the id 77"),
        (with(5, &[]), "found [] where a message index"),
        (with(5, &[2, 8]), "found the message indexes [4], at which the schema with the id 2 has no message"),
        (with(5, &[4, 2, 2]), "found the message indexes [1, 1], at which"),
        (with(5, &[0xfe, 0xff, 0xff, 0xff, 0x0f]), "found 2147483647 message indexes"),
        ([&good[..], &[0]].concat(), "no valid shop.Order (schema id 2): "),
        (good[..good.len() - 1].to_vec(), "no valid shop.Order (schema id 2): "),
        (long, "no valid shop.Order (schema id 2): "),
    ];
    for (bytes, expected) in cases {
        for error in [error(&serde, &bytes), error(&dynamic(&registry), &bytes)] {
            assert!(error.to_string().starts_with(expected), "{bytes:02x?}: {error}");
            assert!(!error.is_transient());
        }
    }
    let cancelled = with(5, &[0]);
    let error = error(&serde, &cancelled).to_string();
    let expected =
        "found a message shop.Cancelled (indexes [0] of the schema with the id 2); a shop.Order is to be there";
    assert_eq!(error, expected);
    assert_eq!(dynamic(&registry).decode(&cancelled).unwrap().message().descriptor().name(), "Cancelled");
}

#[test]
fn a_recursion_bomb_is_told() {
    let registry = Registry::in_memory();
    let serde = orders(&registry);
    let mut bomb = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0x2a];
        prost::encoding::encode_varint(bomb.len() as u64, &mut outer);
        outer.append(&mut bomb);
        bomb = outer;
    }
    let prefix = written(&serde, &Order::default());
    let bytes = [&prefix[..], &bomb].concat();
    for error in [error(&serde, &bytes), error(&dynamic(&registry), &bytes)] {
        assert!(error.to_string().contains("recursion limit reached"), "{error}");
    }
}

#[test]
fn schemas_that_cannot_be_read_are_told() {
    let registry = Registry::in_memory();
    let avro = registry.register("a", &Schema::new(SchemaType::Avro, "\"int\"")).unwrap();
    let broken = registry.register("b", &Schema::new(SchemaType::Protobuf, "message Order { string id = }")).unwrap();
    let alone = registry.register("c", &Schema::new(SchemaType::Protobuf, TEXT)).unwrap();
    let deep = format!("option (o) = {}{};", "{ a ".repeat(20_000), "}".repeat(20_000));
    let deep = registry.register("d", &Schema::new(SchemaType::Protobuf, deep)).unwrap();
    for (id, expected) in [
        (avro, "is one of Avro; one of Protobuf is to be there"),
        (broken, "no valid .proto file"),
        (alone, "money.proto"),
        (deep, "nested more than 64 deep"),
    ] {
        let bytes = [0, 0, 0, 0, id.0 as u8, 0];
        for error in [error(&orders(&registry), &bytes), error(&dynamic(&registry), &bytes)] {
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains(&format!("id {id}")), "{error}");
        }
    }
}
