use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use millstream::serde::{Serde, SerdeError};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};

use super::schema::{ProtobufSchema, ProtobufSchemaError};
use super::{indexes, no_message, typed, unread};
use crate::registry::{ById, Part, Registry, Subject, SubjectStrategy, frame};

/// Of so many pairs of a schema and a message it is remembered what is in front of them.
const PREFIXES_MAX: usize = 64;

/// A message whose type is known at run time only, with its schema.
///
/// Two are equal where their messages are, which were read by one serde, or are of one schema.
#[derive(Clone, Debug)]
pub struct ProtobufRecord {
    schema: Arc<ProtobufSchema>,
    message: DynamicMessage,
}

impl PartialEq for ProtobufRecord {
    fn eq(&self, other: &Self) -> bool {
        self.message == other.message
    }
}

impl ProtobufRecord {
    /// A message without any field set, of that full name in the schema.
    ///
    /// # Errors
    /// As [`ProtobufSchema::message`].
    pub fn new(schema: Arc<ProtobufSchema>, full_name: &str) -> Result<Self, ProtobufSchemaError> {
        let message = schema.new_message(full_name)?;
        Ok(ProtobufRecord { schema, message })
    }

    /// The schema that it has, and is written with.
    pub fn schema(&self) -> &Arc<ProtobufSchema> {
        &self.schema
    }

    /// The message.
    pub fn message(&self) -> &DynamicMessage {
        &self.message
    }

    /// The message, to be changed. One of another schema in its place cannot be written.
    pub fn message_mut(&mut self) -> &mut DynamicMessage {
        &mut self.message
    }
}

/// Whatever messages come: each is read by the schema that its record names, and written with the schema that it has. A clone
/// shares what was asked of the registry.
///
/// Fields that are not in a message's schema are kept as they are, and written again.
#[derive(Clone)]
pub struct ProtobufRecords(Arc<Shared>);

struct Shared {
    registry: Registry,
    subject: Subject,
    readers: ById<Result<Arc<ProtobufSchema>, SerdeError>>,
    prefixes: RwLock<Vec<Prefix>>,
}

/// What is in front of each message of a schema.
struct Prefix {
    schema: Arc<ProtobufSchema>,
    message: MessageDescriptor,
    bytes: Arc<[u8]>,
}

impl fmt::Debug for ProtobufRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufRecords").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}

impl ProtobufRecords {
    /// Records whose schemas are, or get, under that subject.
    pub fn new(registry: &Registry, subject: Subject) -> Self {
        let (registry, readers, prefixes) = (registry.clone(), ById::default(), RwLock::default());
        ProtobufRecords(Arc::new(Shared { registry, subject, readers, prefixes }))
    }

    /// The values of a topic, under the subject `TOPIC-value`.
    pub fn value(registry: &Registry, topic: &str) -> Self {
        ProtobufRecords::new(registry, Subject::Named(SubjectStrategy::Topic.subject(topic, Part::Value, "")))
    }

    fn prefix(&self, record: &ProtobufRecord) -> Result<Arc<[u8]>, SerdeError> {
        let (schema, message) = (&record.schema, record.message.descriptor());
        let is_it = |known: &&Prefix| Arc::ptr_eq(&known.schema, schema) && known.message == message;
        let found =
            self.0.prefixes.read().unwrap_or_else(PoisonError::into_inner).iter().find(is_it).map(|p| p.bytes.clone());
        if let Some(bytes) = found {
            return Ok(bytes);
        }
        if !schema.has(&message) {
            return Err(SerdeError::new(format!(
                "found a message {} of another schema than the record's; its message is to be one of its own schema",
                message.full_name()
            )));
        }
        let subject = self.0.subject.of(message.full_name());
        let bytes: Arc<[u8]> = typed::prefix(&self.0.registry, &subject, schema, &message)?.into();
        let mut prefixes = self.0.prefixes.write().unwrap_or_else(PoisonError::into_inner);
        if prefixes.len() >= PREFIXES_MAX {
            prefixes.clear();
        }
        prefixes.push(Prefix { schema: schema.clone(), message, bytes: bytes.clone() });
        Ok(bytes)
    }
}

impl Serde<ProtobufRecord> for ProtobufRecords {
    fn encode(&self, value: &ProtobufRecord, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(&self.prefix(value)?);
        value.message.encode(out).map_err(|error| SerdeError::new(error.to_string()))
    }

    fn decode(&self, bytes: &[u8]) -> Result<ProtobufRecord, SerdeError> {
        let (id, rest) = frame::split(bytes)?;
        let make = || {
            let registered = self.0.registry.schema(id)?;
            Ok::<_, SerdeError>(ProtobufSchema::registered(&registered).map(Arc::new).map_err(SerdeError::from))
        };
        let schema = self.0.readers.get_or_make(id, make)?.as_ref().map_err(SerdeError::clone)?;
        let (path, payload) = indexes::split(rest)?;
        let descriptor = schema.message_at(&path).ok_or_else(|| no_message(id, &path))?;
        let message = DynamicMessage::decode(descriptor.clone(), payload)
            .map_err(|error| unread(descriptor.full_name(), id, &error))?;
        Ok(ProtobufRecord { schema: schema.clone(), message })
    }
}
