use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use apache_avro::Schema;
use apache_avro::writer::datum::GenericDatumWriter;

use super::plain::PlainWriter;
use super::typed::TypedReader;
use super::value::ValueReader;
use crate::registry::{self, Reference, RegisteredSchema, Registry, RegistryError, SchemaType};

/// A schema deeper than this is not taken: everything that walks it would need that much stack.
const DEEP_MAX: usize = 64;

/// An Avro schema that is ready to read and write. The same text gives the same schema, and it stays for as long as the process
/// runs: there are as many as the programs and the registry have. So it is copied at no cost.
#[derive(Clone, Copy)]
pub struct AvroSchema(&'static Prepared);

pub(super) struct Prepared {
    number: u32,
    name: String,
    registered: registry::Schema,
    pub(super) schema: Schema,
    pub(super) typed: TypedReader,
    pub(super) values: ValueReader,
    pub(super) plain: PlainWriter,
    pub(super) writer: GenericDatumWriter<'static>,
}

/// Why a text is no schema that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is not a valid schema.
    #[error("not a valid Avro schema: {0}")]
    Invalid(String),
    /// The registry has another kind of schema there.
    #[error("schema {id} of the registry is {found}; an Avro schema is expected")]
    NotAvro {
        /// Its id.
        id: registry::SchemaId,
        /// Its language.
        found: SchemaType,
    },
    /// The registry could not say.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// All schemas that there are, by their text and those that they refer to.
static ALL: Mutex<Option<HashMap<Key, AvroSchema>>> = Mutex::new(None);
type Key = (registry::Schema, Vec<(String, String)>);

impl AvroSchema {
    /// The schema of that text, in JSON.
    ///
    /// # Errors
    /// [`SchemaError::Invalid`]. So is one that holds others more than 64 deep.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        AvroSchema::of_registered(registry::Schema::new(SchemaType::Avro, text), Vec::new())
    }

    /// The schema of that text, which refers to others that the registry has.
    pub fn parse_with(text: &str, references: Vec<Reference>, registry: &Registry) -> Result<Self, SchemaError> {
        let referenced = registry.referenced(&references)?;
        let schema = registry::Schema { references, ..registry::Schema::new(SchemaType::Avro, text) };
        AvroSchema::of_registered(schema, texts(&referenced))
    }

    /// The schema that is derived for a type (`#[derive(AvroSchema)]` of `apache_avro`).
    pub fn of<T: apache_avro::AvroSchema>() -> Result<Self, SchemaError> {
        let text = serde_json::to_string(&T::get_schema()).map_err(|error| SchemaError::Invalid(error.to_string()))?;
        AvroSchema::parse(&text)
    }

    /// The latest schema that a subject of the registry has.
    pub fn latest(registry: &Registry, subject: &str) -> Result<Self, SchemaError> {
        AvroSchema::fetched(&*registry.latest(subject)?)
    }

    /// The schema that the registry has said.
    pub fn fetched(registered: &RegisteredSchema) -> Result<Self, SchemaError> {
        if registered.schema.schema_type != SchemaType::Avro {
            return Err(SchemaError::NotAvro { id: registered.id, found: registered.schema.schema_type });
        }
        AvroSchema::of_registered(registered.schema.clone(), texts(&registered.referenced))
    }

    fn of_registered(schema: registry::Schema, referenced: Vec<(String, String)>) -> Result<Self, SchemaError> {
        let key = (schema, referenced);
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        if let Some(found) = all.get(&key) {
            return Ok(*found);
        }
        let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let prepared = AvroSchema(Box::leak(Box::new(prepare(number, &key)?)));
        all.insert(key, prepared);
        Ok(prepared)
    }

    /// Its full name; of one without a name its type: `string`, `array`.
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    /// Its text, as it was given, and what it refers to: as a registry takes it.
    pub fn registered(self) -> &'static registry::Schema {
        &self.0.registered
    }

    /// The schema itself, with all that it refers to.
    pub fn schema(self) -> &'static Schema {
        &self.0.schema
    }

    pub(super) fn prepared(self) -> &'static Prepared {
        self.0
    }

    /// Counts schemas, from 0 on.
    pub(super) fn number(self) -> u32 {
        self.0.number
    }
}

impl PartialEq for AvroSchema {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for AvroSchema {}

impl fmt::Debug for AvroSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvroSchema({})", self.0.name)
    }
}

fn texts(referenced: &[(String, std::sync::Arc<registry::Schema>)]) -> Vec<(String, String)> {
    referenced.iter().map(|(name, schema)| (name.clone(), schema.text.clone())).collect()
}

/// Reads a schema, and what it refers to, into one that refers to nothing outside.
pub(super) fn parsed(text: &str, referenced: &[(String, String)]) -> Result<Schema, SchemaError> {
    let invalid = |error: apache_avro::Error| SchemaError::Invalid(error.to_string());
    check_depth(text)?;
    for (_, text) in referenced {
        check_depth(text)?;
    }
    if referenced.is_empty() {
        return Schema::parse_str(text).map_err(invalid);
    }
    let (mut schema, others) =
        Schema::parse_str_with_list(text, referenced.iter().map(|(_, text)| text)).map_err(invalid)?;
    schema.denormalize(&others).map_err(invalid)?;
    Ok(schema)
}

/// Counts brackets, outside of texts: a schema within another one is in brackets of its own.
fn check_depth(text: &str) -> Result<(), SchemaError> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A field is two brackets deeper than its record.
        if depth > 2 * DEEP_MAX {
            return Err(SchemaError::Invalid(format!(
                "it holds schemas within schemas, more than {DEEP_MAX} deep; name them, and refer to them by name"
            )));
        }
    }
    Ok(())
}

fn prepare(number: u32, (registered, referenced): &Key) -> Result<Prepared, SchemaError> {
    let invalid = |error: apache_avro::Error| SchemaError::Invalid(error.to_string());
    let schema = parsed(&registered.text, referenced)?;
    // Reader and writer borrow what they were prepared for: this copy is theirs.
    let lent: &'static Schema = Box::leak(Box::new(schema.clone()));
    let typed = TypedReader::new(lent).map_err(invalid)?;
    let values = ValueReader::new(lent).map_err(invalid)?;
    let plain = PlainWriter::new(lent).map_err(invalid)?;
    let writer = GenericDatumWriter::builder(lent).build().map_err(invalid)?;
    let name = schema.name().map_or_else(|| kind_of(&schema).to_owned(), |name| name.fullname(None));
    Ok(Prepared { number, name, registered: registered.clone(), schema, typed, values, plain, writer })
}

/// What a schema is, as one word.
pub(super) fn kind_of(schema: &Schema) -> &'static str {
    match schema {
        Schema::Null => "null",
        Schema::Boolean => "boolean",
        Schema::Int => "int",
        Schema::Long => "long",
        Schema::Float => "float",
        Schema::Double => "double",
        Schema::Bytes => "bytes",
        Schema::String => "string",
        Schema::Array(_) => "array",
        Schema::Map(_) => "map",
        Schema::Union(_) => "union",
        Schema::Record(_) => "record",
        Schema::Enum(_) => "enum",
        Schema::Fixed(_) => "fixed",
        Schema::Decimal(_) => "decimal",
        Schema::BigDecimal => "big-decimal",
        Schema::Uuid(_) => "uuid",
        Schema::Date => "date",
        Schema::TimeMillis => "time-millis",
        Schema::TimeMicros => "time-micros",
        Schema::TimestampMillis => "timestamp-millis",
        Schema::TimestampMicros => "timestamp-micros",
        Schema::TimestampNanos => "timestamp-nanos",
        Schema::LocalTimestampMillis => "local-timestamp-millis",
        Schema::LocalTimestampMicros => "local-timestamp-micros",
        Schema::LocalTimestampNanos => "local-timestamp-nanos",
        Schema::Duration(_) => "duration",
        Schema::Ref { .. } => "reference",
    }
}
