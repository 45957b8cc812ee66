use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;

use millstream::serde::{Serde, SerdeError};
use prost::Message;
use prost_reflect::MessageDescriptor;

use super::schema::{ProtobufSchema, ProtobufSchemaError};
use super::{indexes, unread};
use crate::registry::{ById, Part, RegisteredSchema, Registry, RegistryError, SubjectStrategy, frame};

/// A serde of a Rust type that prost has: derived, or generated from a `.proto` file.
///
/// Fields that a record has and the type has not are left out when it is read: what is read and written again is without them.
/// [`DynamicProtobuf`](super::DynamicProtobuf) keeps them.
pub struct Protobuf<T> {
    registry: Registry,
    schema: ProtobufSchema,
    message: MessageDescriptor,
    subject: String,
    /// What is in front of each message that is written: the frame and the indexes.
    prefix: OnceLock<Vec<u8>>,
    readers: ById<Result<Reader, SerdeError>>,
    of: PhantomData<fn() -> T>,
}

/// A schema that was met.
struct Reader {
    schema: ProtobufSchema,
    /// The indexes that its records usually have: those of the message, if it has it.
    usual: Option<Vec<u8>>,
}

impl Reader {
    fn new(registered: &RegisteredSchema, name: &str) -> Result<Self, SerdeError> {
        let schema = ProtobufSchema::registered(registered)?;
        let usual = schema.message(name).ok().map(|message| {
            let mut usual = Vec::new();
            indexes::write(&schema.path_to(&message), &mut usual);
            usual
        });
        Ok(Reader { schema, usual })
    }
}

impl<T> Protobuf<T> {
    /// A serde of the part of a topic's records. `full_name` is the message of the schema that `T` is, such as `shop.Order`. The
    /// registry is not asked before the first record.
    ///
    /// # Errors
    /// The schema has no such message.
    pub fn new(
        registry: &Registry,
        topic: &str,
        part: Part,
        schema: ProtobufSchema,
        full_name: &str,
    ) -> Result<Self, ProtobufSchemaError> {
        let message = schema.message(full_name)?;
        Ok(Protobuf {
            registry: registry.clone(),
            subject: SubjectStrategy::default().subject(topic, part, full_name),
            schema,
            message,
            prefix: OnceLock::new(),
            readers: ById::default(),
            of: PhantomData,
        })
    }

    /// The same, with the schema under that subject.
    pub fn under(self, subject: impl Into<String>) -> Self {
        Protobuf { subject: subject.into(), prefix: OnceLock::new(), ..self }
    }

    /// Checks, before the first record, that the schema can be written; see [`Registry::check_writable`]. Files that it imports
    /// are registered, where that may be.
    ///
    /// # Errors
    /// It cannot, or the registry does not answer.
    pub fn check_writable(&self) -> Result<(), RegistryError> {
        self.registry.check_writable(&self.subject, &self.schema.to_register(&self.registry)?)
    }

    fn prefix(&self) -> Result<&[u8], RegistryError> {
        if let Some(prefix) = self.prefix.get() {
            return Ok(prefix);
        }
        let prefix = prefix(&self.registry, &self.subject, &self.schema, &self.message)?;
        Ok(self.prefix.get_or_init(|| prefix))
    }
}

/// The frame and the indexes that are in front of a message.
pub(super) fn prefix(
    registry: &Registry,
    subject: &str,
    schema: &ProtobufSchema,
    message: &MessageDescriptor,
) -> Result<Vec<u8>, RegistryError> {
    let id = registry.id_of(subject, &schema.to_register(registry)?)?;
    let mut prefix = Vec::new();
    frame::write(id, &mut prefix);
    indexes::write(&schema.path_to(message), &mut prefix);
    Ok(prefix)
}

impl<T> fmt::Debug for Protobuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protobuf").field("subject", &self.subject).field("message", &self.message.full_name()).finish()
    }
}

impl<T: Message + Default + 'static> Serde<T> for Protobuf<T> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(self.prefix()?);
        value.encode(out).map_err(|error| SerdeError::new(error.to_string()))
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let (id, rest) = frame::split(bytes)?;
        let name = self.message.full_name();
        let make = || Ok::<_, SerdeError>(Reader::new(&*self.registry.schema(id)?, name));
        let Reader { schema, usual } = self.readers.get_or_make(id, make)?.as_ref().map_err(SerdeError::clone)?;
        let usual = usual.as_ref().and_then(|usual| rest.strip_prefix(&**usual));
        let payload = match usual {
            Some(payload) => payload,
            None => {
                let (path, payload) = indexes::split(rest)?;
                let found = schema.message_at(&path).ok_or_else(|| super::no_message(id, &path))?;
                if found.full_name() != name {
                    return Err(SerdeError::new(format!(
                        "found a message {} (indexes {path:?} of the schema with the id {id}); a {name} is to be there",
                        found.full_name()
                    )));
                }
                payload
            }
        };
        T::decode(payload).map_err(|error| unread(name, id, &error))
    }
}
