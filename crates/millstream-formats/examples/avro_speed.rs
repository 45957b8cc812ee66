//! Avro beside what else there is: ns to encode and to decode a record of about 200 bytes.
//!
//! `cargo run --release -p millstream-formats --features avro --example avro_speed`. All contestants take turns in one run, and the
//! best turn of each counts, so that the ratios hold on a machine that does other things. fastavro takes part where `python3`
//! finds it.

#[allow(dead_code)]
#[path = "../tests/avro/fake_registry.rs"]
mod fake_registry;

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use fake_registry::FakeRegistry;
use millstream::serde::{Json, Serde};
use millstream_formats::avro::apache_avro::reader::datum::GenericDatumReader;
use millstream_formats::avro::apache_avro::types::Value;
use millstream_formats::avro::apache_avro::writer::datum::GenericDatumWriter;
use millstream_formats::avro::apache_avro::{self, AvroSchema as _};
use millstream_formats::avro::{Avro, AvroRecord, AvroRecords, AvroSchema};
use millstream_formats::registry::Registry;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, apache_avro::AvroSchema)]
struct Bid {
    auction: i64,
    bidder: i64,
    price: i64,
    channel: String,
    url: String,
    extra: String,
    date_time: i64,
    score: f64,
    is_open: bool,
    note: Option<String>,
}

fn bid() -> Bid {
    Bid {
        auction: 1_002_345,
        bidder: 1_777,
        price: 98_765_432,
        channel: "channel-4711".into(),
        url: "https://www.nexmark.com/item.htm?query=1&channel_id=12345".into(),
        extra: "abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz".into(),
        date_time: 1_700_000_000_123,
        score: 0.125,
        is_open: true,
        note: Some("first".into()),
    }
}

const TURNS: usize = 40;
const CALLS: u32 = 5_000;

/// A contestant, and its best turn of each kind in ns a call.
struct Contestant<'a> {
    name: &'static str,
    encode: Box<dyn FnMut() + 'a>,
    decode: Box<dyn FnMut() + 'a>,
    best: [f64; 2],
}

impl<'a> Contestant<'a> {
    fn new(name: &'static str, encode: impl FnMut() + 'a, decode: impl FnMut() + 'a) -> Self {
        Contestant { name, encode: Box::new(encode), decode: Box::new(decode), best: [f64::INFINITY; 2] }
    }
}

fn turn(call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn serde_contestant<'a, T: 'static>(name: &'static str, serde: &'a dyn Serde<T>, value: &'a T) -> Contestant<'a> {
    let mut bytes = Vec::new();
    serde.encode(value, &mut bytes).expect("encode");
    let mut out = Vec::with_capacity(512);
    let encode = move || {
        out.clear();
        serde.encode(black_box(value), &mut out).expect("encode");
        black_box(&out);
    };
    Contestant::new(name, encode, move || {
        black_box(serde.decode(black_box(&bytes)).expect("decode"));
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bid = bid();
    let registry = Registry::new(&FakeRegistry::start(None).settings())?;
    let schema = AvroSchema::of::<Bid>()?;
    let typed = Avro::value(&registry, "bids", schema);
    let dynamic = AvroRecords::value(&registry, "bids");
    let record = AvroRecord::of(schema, &bid)?;

    let text = serde_json::to_string(&Bid::get_schema())?;
    // Written with a float where the reader has a double, so that schemas are resolved.
    let older = AvroSchema::parse(&text.replacen("\"double\"", "\"float\"", 1))?;
    let Value::Record(mut fields) = record.value().clone() else { return Err("a bid is a record".into()) };
    for (_, value) in &mut fields {
        if let Value::Double(score) = value {
            *value = Value::Float(*score as f32);
        }
    }
    let mut of_older = Vec::new();
    dynamic.encode(&AvroRecord::new(older, Value::Record(fields))?, &mut of_older)?;
    assert_eq!(Serde::<Bid>::decode(&typed, &of_older)?, bid);

    let writer = GenericDatumWriter::builder(schema.schema()).build()?;
    let reader = GenericDatumReader::builder(schema.schema()).build()?;
    let plain = writer.write_ser_to_vec(&bid)?;
    let fast: serde_avro_fast::Schema = text.parse()?;
    let mut config = serde_avro_fast::ser::SerializerConfig::new(&fast);
    assert_eq!(serde_avro_fast::to_datum_vec(&bid, &mut config)?, plain, "both write the same");
    let (mut of_apache, mut of_fast) = (Vec::with_capacity(512), Vec::with_capacity(512));

    let mut contestants = vec![
        serde_contestant("Avro serde, typed", &typed, &bid),
        serde_contestant("AvroRecords serde, dynamic", &dynamic, &record),
        Contestant::new(
            "Avro serde, typed, schema resolved",
            || {},
            || {
                black_box(Serde::<Bid>::decode(&typed, black_box(&of_older)).expect("decode"));
            },
        ),
        Contestant::new(
            "apache-avro alone, typed, prepared",
            || {
                of_apache.clear();
                writer.write_ser(&mut of_apache, black_box(&bid)).expect("encode");
                black_box(&of_apache);
            },
            || {
                black_box(reader.read_deser::<Bid>(&mut black_box(plain.as_slice())).expect("decode"));
            },
        ),
        Contestant::new(
            "serde_avro_fast, typed",
            || {
                of_fast.clear();
                serde_avro_fast::to_datum(black_box(&bid), &mut of_fast, &mut config).expect("encode");
                black_box(&of_fast);
            },
            || {
                black_box(serde_avro_fast::from_datum_slice::<Bid>(black_box(&plain), &fast).expect("decode"));
            },
        ),
        serde_contestant("JSON serde", &Json, &bid),
    ];
    for _ in 0..TURNS {
        for contestant in &mut contestants {
            contestant.best[0] = contestant.best[0].min(turn(&mut contestant.encode));
            contestant.best[1] = contestant.best[1].min(turn(&mut contestant.decode));
        }
    }
    println!("{} bytes of Avro; ns a record, the best of {TURNS} turns of {CALLS}", plain.len());
    println!("{:<36} {:>8} {:>8}", "", "encode", "decode");
    for Contestant { name, best: [encode, decode], .. } in &contestants {
        println!("{name:<36} {encode:>8.0} {decode:>8.0}");
    }
    let hex: String = plain.iter().map(|byte| format!("{byte:02x}")).collect();
    let ran = Command::new("python3").args(["-c", FASTAVRO, &text, &hex]).output();
    match ran {
        Ok(ran) if ran.status.success() => print!("{}", String::from_utf8_lossy(&ran.stdout)),
        _ => println!("fastavro: not found by python3"),
    }
    Ok(())
}

const FASTAVRO: &str = r#"
import io, json, sys, time, fastavro
schema = fastavro.parse_schema(json.loads(sys.argv[1]))
data = bytes.fromhex(sys.argv[2])
record = fastavro.schemaless_reader(io.BytesIO(data), schema)
out = io.BytesIO()
fastavro.schemaless_writer(out, schema, record)
assert out.getvalue() == data
def best(call):
    found = float('inf')
    for _ in range(40):
        start = time.perf_counter_ns()
        for _ in range(1000):
            call()
        found = min(found, (time.perf_counter_ns() - start) / 1000)
    return found
encode = best(lambda: fastavro.schemaless_writer(io.BytesIO(), schema, record))
decode = best(lambda: fastavro.schemaless_reader(io.BytesIO(data), schema))
print(f"{'fastavro ' + fastavro.__version__:<36} {encode:>8.0f} {decode:>8.0f}")
"#;
