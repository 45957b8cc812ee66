//! JSON Schema: Python on one side, Millstream on the other.

use anyhow::Result;
use millstream::prelude::*;
use millstream_formats::json_schema::JsonSchema;
use millstream_formats::registry::{Registry, Schema, SchemaType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::java::Java;
use crate::program::Clients;
use crate::python::Python;
use crate::services::{Services, services};

const TEXT: &str = r#"{"title": "Order", "type": "object", "required": ["id", "lines"], "properties": {
  "id": {"type": "string", "minLength": 1},
  "lines": {"type": "array", "items": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 1}}}},
  "total": {"type": ["number", "null"]}}}"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    lines: Vec<Line>,
    total: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    count: u32,
}

fn order(number: u32) -> Order {
    let lines = (0..number % 4).map(|n| Line { count: n + 1 }).collect();
    Order { id: format!("ä {number}"), lines, total: number.is_multiple_of(2).then_some(f64::from(number) / 8.0) }
}

fn serde<T>(registry: &Registry, topic: &str) -> JsonSchema<T> {
    JsonSchema::value(registry, topic, TEXT).unwrap()
}

#[test]
fn python_reads_what_is_written_here_and_is_read_here() -> Result<()> {
    let (Some(services), Some(python)) = (services(), Python::find()) else { return Ok(()) };
    understands(services, python, &services.topic("json-python")?)
}

#[test]
fn java_reads_what_is_written_here_and_is_read_here() -> Result<()> {
    let (Some(services), Some(java)) = (services(), Java::find()) else { return Ok(()) };
    let topic = services.topic("json-java")?;
    // It registers no schema, but takes the latest one that is there.
    services.registry().register(&format!("{topic}-value"), &Schema::new(SchemaType::Json, TEXT))?;
    understands(services, java, &topic)
}

fn understands(services: &Services, clients: &dyn Clients, from_there: &str) -> Result<()> {
    let registry = services.registry();
    let orders: Vec<Order> = (0..200).map(order).collect();
    let values: Vec<Value> = orders.iter().map(|order| json!(order)).collect();
    let job = json!({"format": "json", "schema": TEXT});

    services.foreign_writes(clients, from_there, &job, &values)?;
    assert_eq!(services.read(from_there, serde::<Order>(&registry, "unused"))?, orders);
    assert_eq!(services.read(from_there, serde::<Value>(&registry, "unused"))?, values);

    let from_here = services.topic("json-here")?;
    serde::<Order>(&registry, &from_here).check_writable()?;
    services.write(&from_here, serde(&registry, &from_here), &orders)?;
    assert_eq!(services.foreign_reads(clients, &from_here, &job, orders.len())?, values);
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused_here_before_it_is_written() -> Result<()> {
    let Some(services) = services() else { return Ok(()) };
    let (registry, topic) = (services.registry(), services.topic("json-refused")?);
    let refused = Order { id: String::new(), lines: Vec::new(), total: None };
    let error = services.write(&topic, serde(&registry, &topic), &[refused]).unwrap_err().to_string();
    assert!(error.contains("does not fit the schema") && error.contains("/id"), "{error}");
    let mut bytes = Vec::new();
    serde(&registry, &topic).encode(&order(1), &mut bytes)?;
    assert_eq!(serde::<Order>(&registry, "unused").decode(&bytes)?, order(1));
    Ok(())
}
