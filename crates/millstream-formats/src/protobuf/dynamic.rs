use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use millstream::serde::{Serde, SerdeError};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage};

use super::schema::{ProtobufSchema, ProtobufSchemaError};
use super::{indexes, no_message, typed, unread};
use crate::registry::{ById, Part, Registry, SubjectStrategy, frame};

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

/// A serde of whatever messages come: each is read by the schema that its record names, and written with the schema that it has.
///
/// Fields that are not in a message's schema are kept as they are, and written again.
pub struct DynamicProtobuf {
    registry: Registry,
    topic: String,
    part: Part,
    strategy: SubjectStrategy,
    readers: ById<Result<Arc<ProtobufSchema>, SerdeError>>,
    prefixes: RwLock<Vec<Prefix>>,
}

/// What is in front of each message of a schema.
struct Prefix {
    schema: Arc<ProtobufSchema>,
    message: MessageDescriptor,
    bytes: Arc<[u8]>,
}

impl fmt::Debug for DynamicProtobuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicProtobuf").field("topic", &self.topic).field("part", &self.part).finish_non_exhaustive()
    }
}

impl DynamicProtobuf {
    /// A serde of the part of a topic's records.
    pub fn new(registry: &Registry, topic: &str, part: Part, strategy: SubjectStrategy) -> Self {
        DynamicProtobuf {
            registry: registry.clone(),
            topic: topic.to_owned(),
            part,
            strategy,
            readers: ById::default(),
            prefixes: RwLock::default(),
        }
    }

    fn prefix(&self, record: &ProtobufRecord) -> Result<Arc<[u8]>, SerdeError> {
        let (schema, message) = (&record.schema, record.message.descriptor());
        let is_it = |known: &&Prefix| Arc::ptr_eq(&known.schema, schema) && known.message == message;
        let found =
            self.prefixes.read().unwrap_or_else(PoisonError::into_inner).iter().find(is_it).map(|p| p.bytes.clone());
        if let Some(bytes) = found {
            return Ok(bytes);
        }
        if !schema.has(&message) {
            return Err(SerdeError::new(format!(
                "found a message {} of another schema than the record's; its message is to be one of its own schema",
                message.full_name()
            )));
        }
        let subject = self.strategy.subject(&self.topic, self.part, message.full_name());
        let bytes: Arc<[u8]> = typed::prefix(&self.registry, &subject, schema, &message)?.into();
        let mut prefixes = self.prefixes.write().unwrap_or_else(PoisonError::into_inner);
        if prefixes.len() >= PREFIXES_MAX {
            prefixes.clear();
        }
        prefixes.push(Prefix { schema: schema.clone(), message, bytes: bytes.clone() });
        Ok(bytes)
    }
}

impl Serde<ProtobufRecord> for DynamicProtobuf {
    fn encode(&self, value: &ProtobufRecord, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(&self.prefix(value)?);
        value.message.encode(out).map_err(|error| SerdeError::new(error.to_string()))
    }

    fn decode(&self, bytes: &[u8]) -> Result<ProtobufRecord, SerdeError> {
        let (id, rest) = frame::split(bytes)?;
        let make = || {
            let registered = self.registry.schema(id)?;
            Ok::<_, SerdeError>(ProtobufSchema::registered(&registered).map(Arc::new).map_err(SerdeError::from))
        };
        let schema = self.readers.get_or_make(id, make)?.as_ref().map_err(SerdeError::clone)?;
        let (path, payload) = indexes::split(rest)?;
        let descriptor = schema.message_at(&path).ok_or_else(|| no_message(id, &path))?;
        let message = DynamicMessage::decode(descriptor.clone(), payload)
            .map_err(|error| unread(descriptor.full_name(), id, &error))?;
        Ok(ProtobufRecord { schema: schema.clone(), message })
    }
}
