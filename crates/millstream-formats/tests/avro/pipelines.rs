//! Avro in topologies: with a registry that is away, and in stores whose schema changes.

use millstream::prelude::*;
use millstream_formats::avro::apache_avro::types::Value;
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use millstream_test::TopologyTestDriver;
use serde::{Deserialize, Serialize};

use crate::{registry, schema};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Order")]
struct OrderV1 {
    id: String,
    amount: i32,
}

/// The field `amount` has a new type and another name, and there is a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Order")]
struct OrderV2 {
    currency: String,
    cents: i64,
    id: String,
}

const V1: &str =
    r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"string"},{"name":"amount","type":"int"}]}"#;
const V2: &str = r#"{"type":"record","name":"Order","fields":[
    {"name":"currency","type":"string","default":"EUR"},
    {"name":"cents","type":"long","aliases":["amount"]},
    {"name":"id","type":"string"}]}"#;

fn input() -> Topic<String, i64> {
    Topic::new("input", Utf8, Be64)
}

#[test]
fn records_wait_for_a_registry_that_is_away() {
    for policy in [ErrorPolicy::Fail, ErrorPolicy::Skip, ErrorPolicy::DeadLetter] {
        let (fake, client) = registry();
        let avro = Avro::value(&client, "orders", schema(V1));
        let orders = Topic::<String, OrderV1>::new("orders", Utf8, avro.clone());
        let out = orders.clone();
        let options = move |options: &mut millstream::worker::Options| {
            options.errors.read = policy;
            options.errors.process = policy;
            options.errors.write = policy;
        };
        let mut driver = TopologyTestDriver::with_options(options, move |b| {
            b.stream(&input()).map(|id, n| (id.clone(), OrderV1 { id, amount: n as i32 })).to(&out)
        });
        fake.go_away_for(5);
        driver.pipe(&input(), "a".to_owned(), 1, 0);
        driver.pipe(&input(), "b".to_owned(), 2, 0);
        let amounts: Vec<i32> = driver.values(&orders).into_iter().map(|order| order.amount).collect();
        assert_eq!(amounts, [1, 2]);
        assert!(driver.errors().is_empty() && driver.dead_letters().is_empty());
    }
}

#[test]
fn a_stores_rows_are_migrated_on_restore_by_schema_resolution() {
    let (fake, client) = registry();
    let subject = "app-orders-changelog-value";
    let old = Avro::new(&client, subject, schema(V1));
    let mut driver = TopologyTestDriver::new(move |b| {
        let orders = b.stream(&input()).group_by_key();
        orders.aggregate(
            Store::new("orders", Utf8, old.clone()),
            || OrderV1 { id: String::new(), amount: 0 },
            |id, n, order| {
                order.id = id.clone();
                order.amount += n as i32;
            },
        );
    });
    driver.pipe(&input(), "a".to_owned(), 30, 0);
    driver.pipe(&input(), "b".to_owned(), 5, 0);
    assert_eq!(AvroSchema::latest(&client, subject).unwrap(), schema(V1));
    let changelog = driver.topology().sub_topologies[0].stores[0].changelog.clone().unwrap();
    let rows: Vec<Vec<u8>> = driver.values(&Topic::<String, Vec<u8>>::new(changelog.clone(), Utf8, Bytes));
    assert!(rows.iter().all(|row| row.starts_with(&[0, 0, 0, 0, 1])), "{rows:?}");

    // Another process, which knows nothing of the registry yet; and the registry is away as it restores.
    let client = millstream_formats::registry::Registry::new(&fake.settings()).unwrap();
    let new = Avro::new(&client, subject, schema(V2));
    let output = Topic::<String, OrderV2>::new("output", Utf8, Avro::value(&client, "output", schema(V2)));
    let (out, of_store) = (output.clone(), new.clone());
    fake.go_away_for(3);
    driver.restart_with(move |b| {
        let orders = b.stream(&input()).group_by_key();
        let empty = || OrderV2 { currency: "USD".into(), cents: 0, id: String::new() };
        let table = orders.aggregate(Store::new("orders", Utf8, of_store.clone()), empty, |id, n, order| {
            order.id = id.clone();
            order.cents += n;
        });
        table.to_stream().to(&out)
    });
    driver.pipe(&input(), "a".to_owned(), 3_000_000_000, 0);
    driver.pipe(&input(), "c".to_owned(), 1, 0);
    let order = |currency: &str, cents, id: &str| OrderV2 { currency: currency.into(), cents, id: id.into() };
    assert_eq!(driver.values(&output), [order("EUR", 3_000_000_030, "a"), order("USD", 1, "c")]);
    let rows: Vec<Vec<u8>> = driver.values(&Topic::<String, Vec<u8>>::new(changelog, Utf8, Bytes));
    assert!(rows.iter().any(|row| row.starts_with(&[0, 0, 0, 0, 2])), "new rows have the new schema: {rows:?}");
    // Rows of both schemas are restored beside one another.
    driver.restart();
    driver.pipe(&input(), "b".to_owned(), 1, 0);
    driver.pipe(&input(), "a".to_owned(), 1, 0);
    assert_eq!(driver.values(&output), [order("EUR", 6, "b"), order("EUR", 3_000_000_031, "a")]);
}

#[test]
fn records_of_a_type_that_is_known_at_run_time_are_values_as_others() {
    let (_, client) = registry();
    let orders = Topic::<String, AvroRecord>::new("orders", Utf8, AvroRecords::value(&client, "orders"));
    let latest = Topic::<String, AvroRecord>::new("latest", Utf8, AvroRecords::value(&client, "latest"));
    let (i, o, serde) = (orders.clone(), latest.clone(), AvroRecords::value(&client, "largest"));
    let amount = |order: &AvroRecord| match order.field("amount") {
        Some(Value::Int(amount)) => *amount,
        other => panic!("{other:?}"),
    };
    let mut driver = TopologyTestDriver::new(move |b| {
        let large = b.stream(&i).filter(move |_, order: &AvroRecord| amount(order) > 1);
        let largest = large.group_by_key().reduce(Store::new("largest", Utf8, serde.clone()), move |old, new| {
            if amount(&new) > amount(old) { new } else { old.clone() }
        });
        largest.to_stream().to(&o)
    });
    let order = |amount: i32| AvroRecord::of(schema(V1), &OrderV1 { id: "x".into(), amount }).unwrap();
    for value in [5, 1, 9, 7] {
        driver.pipe(&orders, "a".to_owned(), order(value), 0);
    }
    assert_eq!(driver.values(&latest), [order(5), order(9), order(9)]);
    driver.restart();
    driver.pipe(&orders, "a".to_owned(), order(8), 0);
    assert_eq!(driver.values(&latest), [order(9)]);
}
