use ::serde::Serialize;
use ::serde::de::DeserializeOwned;
use apache_avro::types::Value;
use millstream::serde::SerdeError;

use super::compile::compile;
use super::reader::planned;
use super::schema::AvroSchema;

/// A value whose type is known only at run time, with its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct AvroRecord {
    schema: AvroSchema,
    value: Value,
}

impl AvroRecord {
    /// A value of that schema.
    ///
    /// # Errors
    /// Where the value is not one of it.
    pub fn new(schema: AvroSchema, value: Value) -> Result<Self, SerdeError> {
        match value.validate(schema.schema()) {
            true => Ok(AvroRecord { schema, value }),
            false => Err(SerdeError::new(format!("the value is not one of {}: {value:?}", schema.name()))),
        }
    }

    /// A Rust value, as that schema has it.
    pub fn of(schema: AvroSchema, value: &impl Serialize) -> Result<Self, SerdeError> {
        let written = schema.prepared().writer.write_ser_to_vec(value);
        let bytes = written.map_err(|error| SerdeError::new(format!("not a value of {}: {error}", schema.name())))?;
        AvroRecord::read(schema, schema, &bytes)
    }

    /// The same as a Rust value.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, SerdeError> {
        let bytes = self.written()?;
        let read = self.schema.prepared().typed.read(&mut bytes.as_slice());
        read.map_err(|error| SerdeError::new(format!("{} as a Rust value: {error}", self.schema.name())))
    }

    /// The same as another schema has it, by Avro's rules of schema resolution.
    pub fn resolved(&self, reader: AvroSchema) -> Result<Self, SerdeError> {
        AvroRecord::read(self.schema, reader, &self.written()?)
    }

    pub(super) fn trusted(schema: AvroSchema, value: Value) -> Self {
        AvroRecord { schema, value }
    }

    fn written(&self) -> Result<Vec<u8>, SerdeError> {
        let mut bytes = Vec::new();
        let written = self.schema.prepared().writer.write_value_ref(&mut bytes, &self.value);
        written.map_err(|error| SerdeError::new(format!("not a value of {}: {error}", self.schema.name())))?;
        Ok(bytes)
    }

    fn read(writer: AvroSchema, reader: AvroSchema, bytes: &[u8]) -> Result<Self, SerdeError> {
        let plan = compile(writer.schema(), reader.schema()).map_err(SerdeError::new)?;
        let value = planned(&plan, bytes, |rest| reader.prepared().values.read(rest))?;
        Ok(AvroRecord { schema: reader, value })
    }

    /// Its schema.
    pub fn schema(&self) -> AvroSchema {
        self.schema
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The value of a field; of a union what is in it. `None` where there is no such field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let Value::Record(fields) = within(&self.value) else { return None };
        fields.iter().find(|(field, _)| field == name).map(|(_, value)| within(value))
    }

    /// The value, alone.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// How many bytes it has on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        heap_bytes(&self.value)
    }
}

/// What is in a union.
fn within(value: &Value) -> &Value {
    match value {
        Value::Union(_, value) => within(value),
        other => other,
    }
}

fn heap_bytes(value: &Value) -> usize {
    match value {
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => bytes.capacity(),
        Value::String(text) | Value::Enum(_, text) => text.capacity(),
        Value::Union(_, value) => size_of::<Value>() + heap_bytes(value),
        Value::Array(items) => items.capacity() * size_of::<Value>() + items.iter().map(heap_bytes).sum::<usize>(),
        Value::Map(entries) => {
            let rows = entries.capacity() * (size_of::<(String, Value)>() + 1);
            rows + entries.iter().map(|(key, value)| key.capacity() + heap_bytes(value)).sum::<usize>()
        }
        Value::Record(fields) => {
            let rows = fields.capacity() * size_of::<(String, Value)>();
            rows + fields.iter().map(|(name, value)| name.capacity() + heap_bytes(value)).sum::<usize>()
        }
        // Of digits that nothing tells the count of.
        Value::Decimal(_) | Value::BigDecimal(_) => 16,
        _ => 0,
    }
}
