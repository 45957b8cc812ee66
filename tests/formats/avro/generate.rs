//! Schemas of Avro by chance, and values of them.

use std::collections::HashMap;

use apache_avro::types::Value;
use apache_avro::{Days, Decimal, Duration, Millis, Months};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value as Json, json};

/// How deep types lie within others.
const DEEP: u32 = 3;
/// Days from 1970 to the first and the last one that Python has.
const DAYS: std::ops::Range<i32> = -719_162..2_932_896;
const SECONDS: std::ops::Range<i64> = -62_135_596_800..253_402_300_799;

pub(super) struct Generator {
    random: StdRng,
    /// The named types of the schema so far, whole ones.
    named: HashMap<String, Json>,
    names: u32,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Generator { random: StdRng::seed_from_u64(seed), named: HashMap::new(), names: 0 }
    }

    /// A schema and a value of it.
    pub(super) fn next(&mut self) -> (Json, Value) {
        self.named.clear();
        // Most topics have records; the others are to be read, too.
        let schema = if self.random.random_bool(0.8) { self.record(0) } else { self.schema(0) };
        let value = self.value(&schema, 0);
        (schema, value)
    }

    fn schema(&mut self, depth: u32) -> Json {
        match self.random.random_range(0..if depth < DEEP { 18 } else { 10 }) {
            0..6 => self.plain(),
            6..8 => self.logical(),
            8 => self.fixed(),
            9 => self.enumeration(),
            10..12 => json!({"type": "array", "items": self.schema(depth + 1)}),
            12..14 => json!({"type": "map", "values": self.schema(depth + 1)}),
            14 => match self.named.keys().min().cloned() {
                Some(name) => name.into(),
                None => self.plain(),
            },
            15 => self.record(depth + 1),
            _ => self.union(depth + 1),
        }
    }

    fn plain(&mut self) -> Json {
        let plain = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
        let name = *plain.choose(&mut self.random).unwrap();
        if self.random.random_bool(0.2) { json!({"type": name}) } else { name.into() }
    }

    fn logical(&mut self) -> Json {
        let (of, name) = *[
            ("int", "date"),
            ("int", "time-millis"),
            ("long", "time-micros"),
            ("long", "timestamp-millis"),
            ("long", "timestamp-micros"),
            ("long", "local-timestamp-millis"),
            ("long", "local-timestamp-micros"),
            ("string", "uuid"),
            ("bytes", "decimal"),
        ]
        .choose(&mut self.random)
        .unwrap();
        match name {
            "decimal" => json!({"type": of, "logicalType": name, "precision": 12, "scale": 3}),
            _ => json!({"type": of, "logicalType": name}),
        }
    }

    /// A name that no type has.
    fn name(&mut self) -> String {
        self.names += 1;
        match self.random.random_range(0..3) {
            0 => format!("org.example.Type{}", self.names),
            1 => format!("shop.Type{}", self.names),
            _ => format!("a.b.c_d.Type{}", self.names),
        }
    }

    fn fixed(&mut self) -> Json {
        let name = self.name();
        let schema = match self.random.random_range(0..3) {
            0 => json!({"type": "fixed", "name": name, "size": 12, "logicalType": "duration"}),
            1 => {
                json!({"type": "fixed", "name": name, "size": 6, "logicalType": "decimal", "precision": 12, "scale": 0})
            }
            _ => json!({"type": "fixed", "name": name, "size": self.random.random_range(1..20)}),
        };
        self.named.insert(name, schema.clone());
        schema
    }

    fn enumeration(&mut self) -> Json {
        let name = self.name();
        let symbols: Vec<String> = (0..self.random.random_range(1..6)).map(|number| format!("S_{number}")).collect();
        let mut schema = json!({"type": "enum", "name": name, "symbols": symbols});
        if self.random.random_bool(0.5) {
            schema["default"] = "S_0".into();
        }
        self.named.insert(name, schema.clone());
        schema
    }

    fn record(&mut self, depth: u32) -> Json {
        let name = self.name();
        let mut fields = Vec::new();
        for number in 0..self.random.random_range(0..6) {
            let mut field = json!({"name": format!("field_{number}"), "type": self.schema(depth)});
            if field["type"] == "int" && self.random.random_bool(0.5) {
                field["default"] = (-7).into();
            }
            if self.random.random_bool(0.1) {
                (field["doc"], field["aliases"]) = ("what it is".into(), json!([format!("old_{number}")]));
            }
            fields.push(field);
        }
        if self.random.random_bool(0.2) {
            fields.push(json!({"name": "next", "type": ["null", name], "default": null}));
        }
        let schema = json!({"type": "record", "name": name, "fields": fields});
        self.named.insert(name, schema.clone());
        schema
    }

    /// Of types that Python tells from each other by their values: else it writes the first that fits.
    fn union(&mut self, depth: u32) -> Json {
        let count = self.random.random_range(1..=6);
        let branch = |branch| match branch {
            0 => "null".into(),
            1 => (*["int", "long", "double", "boolean"].choose(&mut self.random).unwrap()).into(),
            2 if self.random.random_bool(0.5) => self.enumeration(),
            2 => "string".into(),
            3 => "bytes".into(),
            4 => json!({"type": "array", "items": self.schema(depth + 1)}),
            _ if self.random.random_bool(0.5) => self.record(depth),
            _ => json!({"type": "map", "values": self.schema(depth + 1)}),
        };
        (0..count).map(branch).collect()
    }

    fn value(&mut self, schema: &Json, depth: u32) -> Value {
        if let Some(branches) = schema.as_array() {
            // Deep within itself a record ends with null.
            let index = if depth > 6 { 0 } else { self.random.random_range(0..branches.len()) };
            return Value::Union(index as u32, Box::new(self.value(&branches[index], depth + 1)));
        }
        let (kind, logical) = match schema {
            Json::String(name) => match self.named.get(name).cloned() {
                Some(named) => return self.value(&named, depth),
                None => (&**name, None),
            },
            _ => (schema["type"].as_str().unwrap(), schema["logicalType"].as_str()),
        };
        match (kind, logical) {
            (_, Some(logical)) => self.logical_value(schema, logical),
            ("null", _) => Value::Null,
            ("boolean", _) => Value::Boolean(self.random.random()),
            ("int", _) => Value::Int(self.number() as i32),
            ("long", _) => Value::Long(self.number()),
            ("float", _) => Value::Float(self.number() as f32 / 8.0),
            ("double", _) => Value::Double(self.double()),
            ("bytes", _) => Value::Bytes(self.bytes(0..8)),
            ("string", _) => Value::String(self.text()),
            ("fixed", _) => {
                let size = schema["size"].as_u64().unwrap() as usize;
                Value::Fixed(size, self.bytes(size..size + 1))
            }
            ("enum", _) => {
                let symbols = schema["symbols"].as_array().unwrap();
                let index = self.random.random_range(0..symbols.len());
                Value::Enum(index as u32, symbols[index].as_str().unwrap().to_owned())
            }
            ("array", _) => Value::Array(
                (0..self.random.random_range(0..3)).map(|_| self.value(&schema["items"], depth + 1)).collect(),
            ),
            ("map", _) => {
                let count = self.random.random_range(0..3);
                Value::Map((0..count).map(|_| (self.text(), self.value(&schema["values"], depth + 1))).collect())
            }
            ("record", _) => {
                let fields = schema["fields"].as_array().unwrap().iter();
                let name = |field: &Json| field["name"].as_str().unwrap().to_owned();
                Value::Record(fields.map(|field| (name(field), self.value(&field["type"], depth + 1))).collect())
            }
            _ => panic!("no type {schema}"),
        }
    }

    fn logical_value(&mut self, schema: &Json, logical: &str) -> Value {
        let seconds = self.random.random_range(SECONDS);
        match logical {
            "date" => Value::Date(self.random.random_range(DAYS)),
            "time-millis" => Value::TimeMillis(self.random.random_range(0..86_400_000)),
            "time-micros" => Value::TimeMicros(self.random.random_range(0..86_400_000_000)),
            "timestamp-millis" => Value::TimestampMillis(seconds * 1_000 + self.random.random_range(0..1_000)),
            "timestamp-micros" => Value::TimestampMicros(seconds * 1_000_000 + self.random.random_range(0..1_000_000)),
            "local-timestamp-millis" => Value::LocalTimestampMillis(seconds * 1_000),
            "local-timestamp-micros" => Value::LocalTimestampMicros(seconds * 1_000_000 + 7),
            "uuid" => Value::Uuid(uuid::Uuid::from_u128(self.random.random())),
            "duration" => {
                let mut number = || self.random.random::<u32>();
                let (months, days, millis) = (number(), number(), number());
                Value::Duration(Duration::new(Months::new(months), Days::new(days), Millis::new(millis)))
            }
            "decimal" => {
                let number = self.random.random_range(-999_999_999_999_i64..=999_999_999_999);
                let bytes = number.to_be_bytes();
                // A fixed has all of its bytes.
                let from = 8 - schema["size"].as_u64().unwrap_or(8) as usize;
                Value::Decimal(Decimal::from(&bytes[from..]))
            }
            _ => panic!("no logical type {logical}"),
        }
    }

    /// Small ones, and those at the ends.
    fn number(&mut self) -> i64 {
        match self.random.random_range(0..4) {
            0 => self.random.random_range(-3..3),
            1 => *[i64::MIN, i64::MAX, i32::MIN.into(), i32::MAX.into()].choose(&mut self.random).unwrap(),
            _ => self.random.random::<i64>() >> self.random.random_range(0..63),
        }
    }

    fn double(&mut self) -> f64 {
        match self.random.random_range(0..3) {
            0 => *[0.0, -0.0, f64::INFINITY, f64::MIN, f64::MIN_POSITIVE / 2.0].choose(&mut self.random).unwrap(),
            _ => self.random.random::<f64>() * 1e9,
        }
    }

    fn text(&mut self) -> String {
        let count = self.random.random_range(0..6);
        (0..count)
            .map(|_| *['a', 'Z', '0', ' ', '"', 'ä', '\u{0}', '日', '🦀'].choose(&mut self.random).unwrap())
            .collect()
    }

    fn bytes(&mut self, count: std::ops::Range<usize>) -> Vec<u8> {
        let count = self.random.random_range(count);
        (0..count).map(|_| self.random.random()).collect()
    }
}
