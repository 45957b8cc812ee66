//! Reads values whose type is known only at run time, within the bounds that a plan holds.
//!
//! `apache_avro`'s own reader takes a value that is cut off for null, and so much stack for each level that few fit on a thread's.

use std::collections::HashMap;

use apache_avro::schema::{InnerDecimalSchema, NamesRef, ResolvedSchema, UuidSchema};
use apache_avro::types::Value;
use apache_avro::{Decimal, Duration, Schema, Uuid};

use super::walk::{DEEP_MAX, Input, Walked, deeper};

/// Reads values of one schema.
pub(super) struct ValueReader {
    schema: &'static Schema,
    names: ResolvedSchema<'static>,
}

impl ValueReader {
    pub(super) fn new(schema: &'static Schema) -> Result<Self, apache_avro::Error> {
        Ok(ValueReader { schema, names: ResolvedSchema::new(schema)? })
    }

    /// Reads one value, and moves `bytes` behind it.
    pub(super) fn read(&self, bytes: &mut &[u8]) -> Walked<Value> {
        let all: &[u8] = bytes;
        let mut reader = Reader { input: Input::new(all), names: self.names.get_names() };
        let value = reader.value(self.schema, DEEP_MAX)?;
        let left = reader.input.rest().len();
        *bytes = &bytes[all.len() - left..];
        Ok(value)
    }
}

struct Reader<'a> {
    input: Input<'a>,
    names: &'a NamesRef<'static>,
}

impl Reader<'_> {
    /// A value, and others in it that lie at most so deep.
    fn value(&mut self, schema: &Schema, deep: usize) -> Walked<Value> {
        self.input.spend(1)?;
        match schema {
            Schema::Array(of) => self.array(&of.items, deeper(deep)?),
            Schema::Map(of) => self.map(&of.types, deeper(deep)?),
            Schema::Union(of) => self.union(of.variants(), deeper(deep)?),
            Schema::Record(of) => self.record(&of.fields, deeper(deep)?),
            Schema::Ref { name } => match self.names.get(name) {
                Some(schema) => self.value(schema, deep),
                None => Err(format!("there is no schema named {name}")),
            },
            other => self.leaf(other),
        }
    }

    #[inline(never)]
    fn array(&mut self, item: &Schema, deep: usize) -> Walked<Value> {
        let mut items = Vec::new();
        loop {
            let count = self.input.block()?;
            if count == 0 {
                return Ok(Value::Array(items));
            }
            for _ in 0..count {
                items.push(self.value(item, deep)?);
            }
        }
    }

    #[inline(never)]
    fn map(&mut self, of: &Schema, deep: usize) -> Walked<Value> {
        let mut entries = HashMap::new();
        loop {
            let count = self.input.block()?;
            if count == 0 {
                return Ok(Value::Map(entries));
            }
            for _ in 0..count {
                let key = self.text()?;
                let value = self.value(of, deep)?;
                entries.insert(key, value);
            }
        }
    }

    #[inline(never)]
    fn union(&mut self, branches: &[Schema], deep: usize) -> Walked<Value> {
        let number = self.input.long()?;
        let branch = usize::try_from(number).ok().and_then(|number| branches.get(number));
        let branch = branch.ok_or_else(|| format!("found branch {number} of a union that has {}", branches.len()))?;
        Ok(Value::Union(number as u32, Box::new(self.value(branch, deep)?)))
    }

    #[inline(never)]
    fn record(&mut self, fields: &[apache_avro::schema::RecordField], deep: usize) -> Walked<Value> {
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            values.push((field.name.clone(), self.value(&field.schema, deep)?));
        }
        Ok(Value::Record(values))
    }

    #[inline(never)]
    fn leaf(&mut self, schema: &Schema) -> Walked<Value> {
        Ok(match schema {
            Schema::Boolean => Value::Boolean(self.input.boolean()?),
            Schema::Int => Value::Int(self.input.int()?),
            Schema::Date => Value::Date(self.input.int()?),
            Schema::TimeMillis => Value::TimeMillis(self.input.int()?),
            Schema::Long => Value::Long(self.input.long()?),
            Schema::TimeMicros => Value::TimeMicros(self.input.long()?),
            Schema::TimestampMillis => Value::TimestampMillis(self.input.long()?),
            Schema::TimestampMicros => Value::TimestampMicros(self.input.long()?),
            Schema::TimestampNanos => Value::TimestampNanos(self.input.long()?),
            Schema::LocalTimestampMillis => Value::LocalTimestampMillis(self.input.long()?),
            Schema::LocalTimestampMicros => Value::LocalTimestampMicros(self.input.long()?),
            Schema::LocalTimestampNanos => Value::LocalTimestampNanos(self.input.long()?),
            Schema::Float => Value::Float(f32::from_le_bytes(self.input.array()?)),
            Schema::Double => Value::Double(f64::from_le_bytes(self.input.array()?)),
            Schema::Bytes => Value::Bytes(self.input.bytes()?.to_vec()),
            Schema::String => Value::String(self.text()?),
            Schema::Fixed(of) => Value::Fixed(of.size, self.input.take(of.size)?.to_vec()),
            Schema::Enum(of) => {
                let index = self.input.int()?;
                let symbol = usize::try_from(index).ok().and_then(|index| of.symbols.get(index));
                let symbol =
                    symbol.ok_or_else(|| format!("found symbol {index} of an enum that has {}", of.symbols.len()))?;
                Value::Enum(index as u32, symbol.clone())
            }
            Schema::Decimal(of) => match &of.inner {
                InnerDecimalSchema::Bytes => Value::Decimal(Decimal::from(self.input.bytes()?)),
                InnerDecimalSchema::Fixed(of) => Value::Decimal(Decimal::from(self.input.take(of.size)?)),
            },
            Schema::BigDecimal => self.big_decimal()?,
            Schema::Uuid(of) => Value::Uuid(self.uuid(of)?),
            Schema::Duration(_) => Value::Duration(Duration::from(self.input.array::<12>()?)),
            // The others are not leaves.
            _ => Value::Null,
        })
    }

    fn text(&mut self) -> Walked<String> {
        let bytes = self.input.bytes()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(format!("found text of {} bytes that is not UTF-8", bytes.len())),
        }
    }

    fn uuid(&mut self, of: &UuidSchema) -> Walked<Uuid> {
        let uuid = match of {
            UuidSchema::String => Uuid::parse_str(&self.text()?),
            UuidSchema::Bytes => Uuid::from_slice(self.input.bytes()?),
            UuidSchema::Fixed(of) => Uuid::from_slice(self.input.take(of.size)?),
        };
        uuid.map_err(|error| format!("found no UUID: {error}"))
    }

    /// By the crate's reader, which alone makes one.
    fn big_decimal(&mut self) -> Walked<Value> {
        let bytes = self.input.bytes()?;
        let mut framed = Vec::with_capacity(bytes.len() + 10);
        super::walk::write_long(bytes.len() as i64, &mut framed);
        framed.extend_from_slice(bytes);
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&Schema::BigDecimal).build();
        reader.and_then(|reader| reader.read_value(&mut framed.as_slice())).map_err(|error| error.to_string())
    }
}
