//! Avro: Python's fastavro on one side, Millstream on the other.

mod generate;
mod round_trips;

use anyhow::Result;
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::registry::{Reference, Registry, Schema, SchemaType};
use millstream_tests::cluster::unique;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::java::Java;
use crate::program::Clients;
use crate::python::Python;
use crate::services::{Services, services};

const ORDER: &str = r#"{"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "id", "type": "string"},
  {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
    {"name": "article", "type": "string"}, {"name": "count", "type": "int"}]}}},
  {"name": "total", "type": ["null", "double"], "default": null},
  {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
  {"name": "weights", "type": {"type": "map", "values": "long"}}]}"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    lines: Vec<Line>,
    total: Option<f64>,
    state: State,
    weights: std::collections::HashMap<String, i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    article: String,
    count: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    New,
    Paid,
}

fn order(number: i32) -> Order {
    Order {
        id: format!("ä {number}"),
        lines: (0..number % 4).map(|count| Line { article: "tea".into(), count: -count }).collect(),
        total: (number % 2 == 0).then_some(f64::from(number) / 8.0),
        state: if number % 3 == 0 { State::New } else { State::Paid },
        weights: (0..number % 3).map(|n| (n.to_string(), i64::MIN + i64::from(n))).collect(),
    }
}

#[test]
fn python_reads_what_is_written_here_and_is_read_here() -> Result<()> {
    let (Some(services), Some(python)) = (services(), Python::find()) else { return Ok(()) };
    understands(services, python)
}

/// Java's client has nested types in subjects of their own, which its schemas refer to.
#[test]
fn java_reads_what_is_written_here_and_is_read_here() -> Result<()> {
    let (Some(services), Some(java)) = (services(), Java::find()) else { return Ok(()) };
    understands(services, java)
}

fn understands(services: &Services, clients: &dyn Clients) -> Result<()> {
    let registry = services.registry();
    let typed = |topic: &str| Avro::value(&registry, topic, AvroSchema::parse(ORDER).unwrap());
    let orders: Vec<Order> = (0..200).map(order).collect();
    let values: Vec<Value> = orders.iter().map(|order| json!(order)).collect();
    let job = json!({"format": "avro", "schema": ORDER});

    let (from_there, from_here, copied) =
        (services.topic("avro-there")?, services.topic("avro-here")?, services.topic("avro-copied")?);
    services.foreign_writes(clients, &from_there, &job, &values)?;
    assert_eq!(services.read::<Order>(&from_there, typed("unused"))?, orders);
    let records: Vec<AvroRecord> = services.read(&from_there, AvroRecords::value(&registry, "unused"))?;
    assert_eq!(records[7].to::<Order>()?, orders[7]);

    services.write(&from_here, typed(&from_here), &orders)?;
    assert_eq!(services.foreign_reads(clients, &from_here, &job, orders.len())?, values);
    services.write(&copied, AvroRecords::value(&registry, &copied), &records)?;
    assert_eq!(services.foreign_reads(clients, &copied, &job, orders.len())?, values);
    Ok(())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    cents: i64,
    currency: Currency,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Currency {
    Eur,
    Chf,
}

/// A price's schema, with the currency's under another subject.
fn price(registry: &Registry) -> Result<Schema> {
    let name = unique("shop.Currency").replace('-', "_");
    let currency = format!(r#"{{"type": "enum", "name": "{name}", "symbols": ["EUR", "CHF"]}}"#);
    let reference = registry.reference(&name, &name, &Schema::new(SchemaType::Avro, currency))?;
    let text = format!(
        r#"{{"type": "record", "name": "Price", "fields": [
           {{"name": "cents", "type": "long"}}, {{"name": "currency", "type": "{name}"}}]}}"#
    );
    Ok(Schema { references: vec![reference], ..Schema::new(SchemaType::Avro, text) })
}

#[test]
fn python_and_millstream_follow_references() -> Result<()> {
    let (Some(services), Some(python)) = (services(), Python::find()) else { return Ok(()) };
    let registry = services.registry();
    let Schema { text, references, .. } = price(&registry)?;
    let named = |Reference { name, subject, version }: &Reference| json!([name, subject, version]);
    let job = json!({"format": "avro", "schema": text, "references": references.iter().map(named).collect::<Vec<_>>()});
    let prices = [Price { cents: 250, currency: Currency::Chf }, Price { cents: -1, currency: Currency::Eur }];
    let values = prices.each_ref().map(|price| json!(price));
    let (from_python, copied) = (services.topic("avro-references")?, services.topic("avro-references-copied")?);
    services.foreign_writes(python, &from_python, &job, &values)?;
    let fresh = services.registry();
    let records: Vec<AvroRecord> = services.read(&from_python, AvroRecords::value(&fresh, "unused"))?;
    services.write(&copied, AvroRecords::value(&fresh, &copied), &records)?;
    assert_eq!(services.foreign_reads(python, &copied, &job, 2)?, values);
    let schema = AvroSchema::parse_with(&text, references, &fresh)?;
    let read: Vec<Price> = services.read(&copied, Avro::value(&fresh, "unused", schema))?;
    assert_eq!(read, prices);
    Ok(())
}
