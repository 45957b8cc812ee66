use std::hint::black_box;
use std::rc::Rc;

use anyhow::{Result, bail, ensure};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use millstream::serde::{Json, Serde};
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::registry::Registry;
use serde_avro_fast::ser::SerializerConfig;

use super::bid::{Bid, bid};
use super::rounds::{Contestant, work};

/// All that run in this process; the record's schema, and its bytes.
pub(super) fn all() -> Result<(Vec<Contestant>, String, Vec<u8>)> {
    let schema = AvroSchema::of::<Bid>()?;
    let text = schema.registered().text.clone();
    let bytes = GenericDatumWriter::builder(schema.schema()).build()?.write_ser_to_vec(&bid())?;
    let registry = Registry::in_memory();
    let typed = Avro::value(&registry, "bids", schema);
    let dynamic = AvroRecords::value(&registry, "bids");
    let record = AvroRecord::of(schema, &bid())?;
    let contestants = vec![
        of_serde("millstream, typed", typed.clone(), bid())?,
        of_serde("millstream, dynamic", dynamic.clone(), record.clone())?,
        resolved(typed, &dynamic, &record, &text)?,
        apache_avro_typed(schema, &bytes)?,
        apache_avro_dynamic(schema, record.into_value(), &bytes)?,
        serde_avro_fast_typed(&text, &bytes)?,
        of_serde("json, typed", Json, bid())?,
        of_serde("json, dynamic", Json, serde_json::to_value(bid())?)?,
    ];
    Ok((contestants, text, bytes))
}

fn of_serde<T: PartialEq + 'static>(name: &'static str, serde: impl Serde<T>, value: T) -> Result<Contestant> {
    let serde = Rc::new(serde);
    let mut bytes = Vec::new();
    serde.encode(&value, &mut bytes)?;
    ensure!(serde.decode(&bytes)? == value, "{name} does not read what it writes");
    let (encoder, mut out) = (serde.clone(), Vec::with_capacity(512));
    let encode = work(move || {
        out.clear();
        encoder.encode(black_box(&value), &mut out).expect("it was written before");
        black_box(&out);
    });
    let decode = work(move || {
        black_box(serde.decode(black_box(&bytes)).expect("it was read before"));
    });
    Ok(Contestant { name, encode: Some(encode), decode })
}

/// Written with a float where the reader has a double.
fn resolved(typed: Avro, dynamic: &AvroRecords, record: &AvroRecord, schema: &str) -> Result<Contestant> {
    let older = AvroSchema::parse(&schema.replacen("\"double\"", "\"float\"", 1))?;
    let Value::Record(mut fields) = record.value().clone() else { bail!("a bid is a record") };
    for (_, value) in &mut fields {
        if let Value::Double(score) = value {
            *value = Value::Float(*score as f32);
        }
    }
    let mut bytes = Vec::new();
    dynamic.encode(&AvroRecord::new(older, Value::Record(fields))?, &mut bytes)?;
    ensure!(Serde::<Bid>::decode(&typed, &bytes)? == bid(), "what an older schema wrote is read as something else");
    let decode = work(move || {
        black_box(Serde::<Bid>::decode(&typed, black_box(&bytes)).expect("it was read before"));
    });
    Ok(Contestant { name: "millstream, typed, resolved", encode: None, decode })
}

fn apache_avro_typed(schema: AvroSchema, bytes: &[u8]) -> Result<Contestant> {
    let writer = GenericDatumWriter::builder(schema.schema()).build()?;
    let reader = GenericDatumReader::builder(schema.schema()).build()?;
    let bytes = bytes.to_vec();
    ensure!(reader.read_deser::<Bid>(&mut bytes.as_slice())? == bid(), "apache-avro reads something else");
    let (value, mut out) = (bid(), Vec::with_capacity(512));
    let encode = work(move || {
        out.clear();
        writer.write_ser(&mut out, black_box(&value)).expect("it was written before");
        black_box(&out);
    });
    let decode = work(move || {
        black_box(reader.read_deser::<Bid>(&mut black_box(bytes.as_slice())).expect("it was read before"));
    });
    Ok(Contestant { name: "apache-avro, typed", encode: Some(encode), decode })
}

fn apache_avro_dynamic(schema: AvroSchema, value: Value, bytes: &[u8]) -> Result<Contestant> {
    let writer = GenericDatumWriter::builder(schema.schema()).build()?;
    let reader = GenericDatumReader::builder(schema.schema()).build()?;
    let bytes = bytes.to_vec();
    ensure!(reader.read_value(&mut bytes.as_slice())? == value, "apache-avro reads another value");
    let mut out = Vec::with_capacity(512);
    let encode = work(move || {
        out.clear();
        writer.write_value_ref(&mut out, black_box(&value)).expect("it was written before");
        black_box(&out);
    });
    let decode = work(move || {
        black_box(reader.read_value(&mut black_box(bytes.as_slice())).expect("it was read before"));
    });
    Ok(Contestant { name: "apache-avro, dynamic", encode: Some(encode), decode })
}

fn serde_avro_fast_typed(schema: &str, bytes: &[u8]) -> Result<Contestant> {
    // What writes borrows its schema, and is kept for as long as the program runs.
    let schema: &'static serde_avro_fast::Schema = Box::leak(Box::new(schema.parse()?));
    let mut config = SerializerConfig::new(schema);
    ensure!(serde_avro_fast::to_datum_vec(&bid(), &mut config)? == bytes, "serde_avro_fast writes something else");
    let bytes = bytes.to_vec();
    ensure!(serde_avro_fast::from_datum_slice::<Bid>(&bytes, schema)? == bid(), "serde_avro_fast reads something else");
    let (value, mut out) = (bid(), Vec::with_capacity(512));
    let encode = work(move || {
        out.clear();
        serde_avro_fast::to_datum(black_box(&value), &mut out, &mut config).expect("it was written before");
        black_box(&out);
    });
    let decode = work(move || {
        black_box(serde_avro_fast::from_datum_slice::<Bid>(black_box(&bytes), schema).expect("it was read before"));
    });
    Ok(Contestant { name: "serde_avro_fast, typed", encode: Some(encode), decode })
}
