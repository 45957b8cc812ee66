use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;
use millstream::serde::{Serde, SerdeError};

use super::reader::{Plans, planned};
use super::record::AvroRecord;
use super::schema::AvroSchema;
use crate::registry::{ById, Part, Registry, RegistryError, SchemaId, Subject, SubjectStrategy, frame};

/// Avro by the type's own `Serialize` and `Deserialize`, in the wire format of a schema registry. It is
/// written as `apache_avro` writes it, whose documentation says which types of Rust go with which of Avro.
///
/// Values are written with one schema, and what others have written is read as that schema has it. A clone shares what was asked
/// of the registry.
#[derive(Clone)]
pub struct Avro(Arc<Typed>);

struct Typed {
    registry: Registry,
    subject: String,
    schema: AvroSchema,
    id: OnceLock<SchemaId>,
    plans: Plans,
    /// Whether no value was met that is not plain: then it is not tried again.
    are_plain: AtomicBool,
}

impl Avro {
    /// Values of that schema, which the registry has, or gets, under that subject. The registry is asked with the first value.
    pub fn new(registry: &Registry, subject: impl Into<String>, schema: AvroSchema) -> Self {
        let (registry, subject) = (registry.clone(), subject.into());
        let (id, plans, are_plain) = (OnceLock::new(), Plans::default(), AtomicBool::new(true));
        Avro(Arc::new(Typed { registry, subject, schema, id, plans, are_plain }))
    }

    /// The values of a topic, under the subject `TOPIC-value`.
    pub fn value(registry: &Registry, topic: &str, schema: AvroSchema) -> Self {
        Avro::new(registry, SubjectStrategy::Topic.subject(topic, Part::Value, schema.name()), schema)
    }

    /// The keys of a topic, under the subject `TOPIC-key`. Equal keys have equal bytes, and so one partition, as long as they
    /// are written with one schema: a change of it moves keys.
    pub fn key(registry: &Registry, topic: &str, schema: AvroSchema) -> Self {
        Avro::new(registry, SubjectStrategy::Topic.subject(topic, Part::Key, schema.name()), schema)
    }

    /// The subject that its schema is registered under.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    fn id(&self) -> Result<SchemaId, RegistryError> {
        let Typed { registry, subject, schema, id, .. } = &*self.0;
        match id.get() {
            Some(id) => Ok(*id),
            None => {
                let found = registry.id_of(subject, schema.registered())?;
                Ok(*id.get_or_init(|| found))
            }
        }
    }
}

impl<T: Serialize + DeserializeOwned> Serde<T> for Avro {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let (id, start) = (self.id()?, out.len());
        frame::write(id, out);
        let (prepared, body) = (self.0.schema.prepared(), out.len());
        if self.0.are_plain.load(Ordering::Relaxed) {
            if prepared.plain.write(value, out).is_ok() {
                return Ok(());
            }
            out.truncate(body);
        }
        prepared.writer.write_ser(out, value).map_err(|error| unwritable(self.0.schema, &error, out, start))?;
        self.0.are_plain.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let Typed { registry, schema, plans, .. } = &*self.0;
        let (found, body) = plans.find(registry, Some(*schema), bytes)?;
        planned(&found.plan, body, |rest| schema.prepared().typed.read(rest))
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        Ok(self.0.registry.check_writable(&self.0.subject, self.0.schema.registered())?)
    }
}

/// Avro records whose schema each of them has itself, in the wire format of a schema registry. A clone shares what was asked of
/// the registry.
#[derive(Clone)]
pub struct AvroRecords(Arc<Dynamic>);

struct Dynamic {
    registry: Registry,
    subject: Subject,
    reader: Option<AvroSchema>,
    /// By the schemas' numbers.
    ids: ById<SchemaId>,
    plans: Plans,
}

impl AvroRecords {
    /// Records as they were written, and written with the schema that they have.
    pub fn new(registry: &Registry, subject: Subject) -> Self {
        AvroRecords::made(registry, subject, None)
    }

    /// Records that are read as `reader` has them, whatever schema wrote them.
    pub fn read_as(registry: &Registry, subject: Subject, reader: AvroSchema) -> Self {
        AvroRecords::made(registry, subject, Some(reader))
    }

    /// The values of a topic, under the subject `TOPIC-value`.
    pub fn value(registry: &Registry, topic: &str) -> Self {
        AvroRecords::new(registry, Subject::Named(SubjectStrategy::Topic.subject(topic, Part::Value, "")))
    }

    fn made(registry: &Registry, subject: Subject, reader: Option<AvroSchema>) -> Self {
        let (ids, plans) = (ById::default(), Plans::default());
        AvroRecords(Arc::new(Dynamic { registry: registry.clone(), subject, reader, ids, plans }))
    }
}

impl Serde<AvroRecord> for AvroRecords {
    fn encode(&self, record: &AvroRecord, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let Dynamic { registry, subject, ids, .. } = &*self.0;
        let (schema, start) = (record.schema(), out.len());
        let register = || registry.id_of(&subject.of(schema.name()), schema.registered());
        let id = ids.get_or_make(SchemaId(schema.number()), register)?;
        frame::write(*id, out);
        let written = schema.prepared().writer.write_value_ref(out, record.value());
        written.map(|_| ()).map_err(|error| unwritable(schema, &error, out, start))
    }

    fn decode(&self, bytes: &[u8]) -> Result<AvroRecord, SerdeError> {
        let Dynamic { registry, reader, plans, .. } = &*self.0;
        let (found, body) = plans.find(registry, *reader, bytes)?;
        let schema = reader.unwrap_or(found.writer);
        let value = planned(&found.plan, body, |rest| schema.prepared().values.read(rest))?;
        Ok(AvroRecord::trusted(schema, value))
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        match self.0.reader {
            Some(schema) => {
                Ok(self.0.registry.check_writable(&self.0.subject.of(schema.name()), schema.registered())?)
            }
            None => Ok(()),
        }
    }

    fn heap_bytes(&self, record: &AvroRecord) -> Option<usize> {
        Some(record.heap_bytes())
    }
}

#[cold]
fn unwritable(schema: AvroSchema, error: &apache_avro::Error, out: &mut Vec<u8>, start: usize) -> SerdeError {
    out.truncate(start);
    SerdeError::new(format!("cannot be written as {}: {error}", schema.name()))
}
