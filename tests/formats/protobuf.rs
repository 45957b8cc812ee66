//! Protobuf: Python on one side, Millstream on the other.

use std::collections::HashMap;

use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use millstream::serde::Serde;
use millstream_formats::protobuf::prost_reflect::ReflectMessage;
use millstream_formats::protobuf::{Protobuf, ProtobufRecord, ProtobufRecords, ProtobufSchema};
use millstream_formats::registry::{Part, Subject, SubjectStrategy};
use millstream_tests::cluster::unique;
use prost::Message;
use serde_json::{Value, json};

use crate::java::Java;
use crate::program::Clients;
use crate::python::Python;
use crate::services::{Services, services};

const TEXT: &str = r#"
syntax = "proto3";
package shop;
import "PLACE/money.proto";
import "google/protobuf/timestamp.proto";
enum State { NEW = 0; PAID = 1; }
message Cancelled { string reason = 1; }
message Order {
  message Line { string article = 1; uint32 count = 2; repeated sint64 offsets = 3; }
  string id = 1;
  repeated Line lines = 2;
  money.Amount total = 3;
  google.protobuf.Timestamp at = 4;
  map<string, double> weights = 5;
  State state = 6;
  bytes raw = 7;
  oneof paid { string card = 8; bool cash = 9; }
  optional fixed64 number = 10;
}
"#;
const MONEY: &str = r#"
syntax = "proto3";
package money;
import "PLACE/currency.proto";
message Amount { sint64 cents = 1; Currency currency = 2; }
"#;
const CURRENCY: &str = "syntax = \"proto3\"; package money; enum Currency { EUR = 0; CHF = 1; }";

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
struct Amount {
    #[prost(sint64, tag = "1")]
    cents: i64,
    #[prost(int32, tag = "2")]
    currency: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Paid {
    #[prost(string, tag = "8")]
    Card(String),
    #[prost(bool, tag = "9")]
    Cash(bool),
}

#[derive(Clone, PartialEq, Message)]
struct Order {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    lines: Vec<Line>,
    #[prost(message, optional, tag = "3")]
    total: Option<Amount>,
    #[prost(message, optional, tag = "4")]
    at: Option<Time>,
    #[prost(map = "string, double", tag = "5")]
    weights: HashMap<String, f64>,
    #[prost(int32, tag = "6")]
    state: i32,
    #[prost(bytes = "vec", tag = "7")]
    raw: Vec<u8>,
    #[prost(oneof = "Paid", tags = "8, 9")]
    paid: Option<Paid>,
    #[prost(fixed64, optional, tag = "10")]
    number: Option<u64>,
}

/// The schema, with imports whose names no other test has: each is a subject.
pub(crate) fn schema(place: &str) -> ProtobufSchema {
    let imports = [("money", MONEY), ("currency", CURRENCY)];
    let imports = imports.map(|(name, text)| (format!("{place}/{name}.proto"), text.replace("PLACE", place)));
    let imports = imports.iter().map(|(name, text)| (&**name, &**text));
    ProtobufSchema::with_imports(&TEXT.replace("PLACE", place), imports).unwrap()
}

/// The same without imports: Apicurio's client finds none that another one has registered.
fn in_one_file() -> ProtobufSchema {
    let amount = "enum Currency { EUR = 0; CHF = 1; } message Amount { sint64 cents = 1; Currency currency = 2; }";
    let text = TEXT.replace("import \"PLACE/money.proto\";", "").replace("money.Amount", "Amount");
    ProtobufSchema::new(&format!("{text}{amount}")).unwrap()
}

/// What a client is to know of a message.
fn job(schema: &ProtobufSchema, message: &str) -> Value {
    let pool = schema.message(message).unwrap().parent_pool().encode_to_vec();
    json!({"format": "protobuf", "message": message, "descriptors": BASE64_STANDARD.encode(pool)})
}

fn order(number: u64) -> Order {
    let line = |count| Line { article: format!("tea {count}"), count, offsets: vec![-1, i64::MIN, number as i64] };
    Order {
        id: format!("order {number}"),
        lines: (0..number as u32 % 4).map(line).collect(),
        total: (!number.is_multiple_of(3)).then_some(Amount { cents: -(number as i64), currency: 1 }),
        at: Some(Time { seconds: 1_767_225_600 + number as i64, nanos: 5_000_000 }),
        weights: (0..number % 3).map(|n| (n.to_string(), n as f64 / 4.0)).collect(),
        state: (number % 2) as i32,
        raw: vec![0xff; number as usize % 5],
        paid: match number % 3 {
            0 => None,
            1 => Some(Paid::Card("ä".into())),
            _ => Some(Paid::Cash(false)),
        },
        number: number.is_multiple_of(2).then_some(u64::MAX - number),
    }
}

/// The same order as Protobuf's JSON has it: without what is as it is without saying.
fn as_json(number: u64) -> Value {
    let order = order(number);
    let mut value = json!({"id": order.id, "at": format!("{}.005Z", rfc3339(number))});
    let line = |line: &Line| {
        let mut value =
            json!({"article": line.article, "offsets": line.offsets.iter().map(i64::to_string).collect::<Vec<_>>()});
        if line.count > 0 {
            value["count"] = line.count.into();
        }
        value
    };
    let mut set = |name: &str, is_set: bool, found: Value| {
        if is_set {
            value[name] = found;
        }
    };
    set("lines", !order.lines.is_empty(), order.lines.iter().map(line).collect());
    if let Some(Amount { cents, .. }) = order.total {
        set("total", true, json!({"cents": cents.to_string(), "currency": "CHF"}));
    }
    set("weights", !order.weights.is_empty(), json!(order.weights));
    set("state", order.state == 1, json!("PAID"));
    set("raw", !order.raw.is_empty(), json!(BASE64_STANDARD.encode(&order.raw)));
    match order.paid {
        Some(Paid::Card(card)) => set("card", true, json!(card)),
        Some(Paid::Cash(cash)) => set("cash", true, json!(cash)),
        None => {}
    }
    if let Some(number) = order.number {
        set("number", true, json!(number.to_string()));
    }
    value
}

/// Some seconds after the year 2026 began.
fn rfc3339(seconds: u64) -> String {
    format!("2026-01-01T00:{:02}:{:02}", seconds / 60, seconds % 60)
}

const RECORDS: u64 = 200;

#[test]
fn python_reads_what_is_written_here_and_is_read_here() -> Result<()> {
    let (Some(services), Some(python)) = (services(), Python::find()) else { return Ok(()) };
    understands(services, python, &|| schema(&unique("place")), &["currency.proto", "money.proto"])
}

#[test]
fn java_reads_what_is_written_here_and_is_read_here() -> Result<()> {
    let (Some(services), Some(java)) = (services(), Java::find()) else { return Ok(()) };
    // That client registers what comes with Protobuf, too.
    understands(services, java, &in_one_file, &["timestamp.proto"])
}

fn understands(
    services: &Services,
    clients: &dyn Clients,
    schema: &dyn Fn() -> ProtobufSchema,
    imported: &[&str],
) -> Result<()> {
    let registry = services.registry();
    let typed = |topic: &str| Protobuf::<Order>::value(&registry, topic, schema(), "shop.Order").unwrap();
    let dynamic = |topic: &str| {
        let (strategy, topic, part) = (SubjectStrategy::TopicRecord, topic.to_owned(), Part::Value);
        ProtobufRecords::new(&registry, Subject::ByRecord { strategy, topic, part })
    };
    let orders: Vec<Order> = (0..RECORDS).map(order).collect();
    let values: Vec<Value> = (0..RECORDS).map(as_json).collect();
    let job = job(&schema(), "shop.Order");

    let (from_there, from_here, copied) =
        (services.topic("pb-there")?, services.topic("pb-here")?, services.topic("pb-copied")?);
    services.foreign_writes(clients, &from_there, &job, &values)?;
    assert_eq!(services.read(&from_there, typed("unused"))?, orders);
    let records: Vec<ProtobufRecord> = services.read(&from_there, dynamic("unused"))?;
    assert_eq!(records[7].message().get_field_by_name("id").unwrap().as_str(), Some("order 7"));

    typed(&from_here).check_writable()?;
    services.write(&from_here, typed(&from_here), &orders)?;
    assert_eq!(services.foreign_reads(clients, &from_here, &job, orders.len())?, values);
    // As it was registered there, the schema goes to another subject.
    services.write(&copied, dynamic(&copied), &records)?;
    assert_eq!(services.foreign_reads(clients, &copied, &job, orders.len())?, values);
    assert_eq!(services.read(&copied, typed("unused"))?, orders);
    let subject = registry.latest(&format!("{copied}-shop.Order"))?;
    let names: Vec<_> = subject.referenced.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, imported);
    Ok(())
}

#[test]
fn python_names_nested_messages_as_millstream_does() -> Result<()> {
    let (Some(services), Some(python)) = (services(), Python::find()) else { return Ok(()) };
    names_nested_messages_alike(services, python)
}

#[test]
fn java_names_nested_messages_as_millstream_does() -> Result<()> {
    let (Some(services), Some(java)) = (services(), Java::find()) else { return Ok(()) };
    names_nested_messages_alike(services, java)
}

fn names_nested_messages_alike(services: &Services, clients: &dyn Clients) -> Result<()> {
    let schema = schema(&unique("place"));
    let (topic, back) = (services.topic("pb-lines")?, services.topic("pb-lines-back")?);
    let values = [json!({"article": "tea", "count": 3}), json!({})];
    services.foreign_writes(clients, &topic, &job(&schema, "shop.Order.Line"), &values)?;
    let registry = services.registry();
    let serde = |topic: &str| ProtobufRecords::value(&registry, topic);
    let records = services.read(&topic, serde("unused"))?;
    assert!(records.iter().all(|record| record.message().descriptor().full_name() == "shop.Order.Line"));
    services.write(&back, serde(&back), &records)?;
    assert_eq!(services.foreign_reads(clients, &back, &job(&schema, "shop.Order.Line"), 2)?, values);
    let orders = Protobuf::<Order>::value(&registry, &topic, schema, "shop.Order")?;
    let error = services.read(&topic, orders).unwrap_err().to_string();
    assert!(error.contains("found a message shop.Order.Line (indexes [1, 0]"), "{error}");
    Ok(())
}
