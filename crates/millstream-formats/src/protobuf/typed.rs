use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use millstream::serde::{Serde, SerdeError};
use prost::Message;
use prost_reflect::MessageDescriptor;

use super::schema::{ProtobufSchema, ProtobufSchemaError};
use super::{indexes, unread};
use crate::registry::{ById, Part, RegisteredSchema, Registry, RegistryError, SubjectStrategy, frame};

/// Protobuf by a Rust type that prost has, derived or generated from a `.proto` file, in the wire format of a schema registry. A
/// clone shares what was asked of the registry.
///
/// Fields that a record has and the type has not are left out when it is read: what is read and written again is without them.
/// [`ProtobufRecords`](super::ProtobufRecords) keeps them.
pub struct Protobuf<T> {
    shared: Arc<Shared>,
    of: PhantomData<fn() -> T>,
}

struct Shared {
    registry: Registry,
    subject: String,
    schema: ProtobufSchema,
    message: MessageDescriptor,
    /// What is in front of each message that is written: the frame and the indexes.
    prefix: OnceLock<Vec<u8>>,
    readers: ById<Result<Reader, SerdeError>>,
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
    /// Messages of that schema, which the registry has, or gets, under that subject. `full_name` is the message of the schema that
    /// `T` is, such as `shop.Order`. The registry is asked with the first message.
    ///
    /// # Errors
    /// The schema has no such message.
    pub fn new(
        registry: &Registry,
        subject: impl Into<String>,
        schema: ProtobufSchema,
        full_name: &str,
    ) -> Result<Self, ProtobufSchemaError> {
        let (registry, subject, message) = (registry.clone(), subject.into(), schema.message(full_name)?);
        let (prefix, readers) = (OnceLock::new(), ById::default());
        Ok(Protobuf {
            shared: Arc::new(Shared { registry, subject, schema, message, prefix, readers }),
            of: PhantomData,
        })
    }

    /// The values of a topic, under the subject `TOPIC-value`.
    ///
    /// # Errors
    /// As [`Protobuf::new`].
    pub fn value(
        registry: &Registry,
        topic: &str,
        schema: ProtobufSchema,
        full_name: &str,
    ) -> Result<Self, ProtobufSchemaError> {
        Self::new(registry, SubjectStrategy::Topic.subject(topic, Part::Value, full_name), schema, full_name)
    }

    /// The keys of a topic, under the subject `TOPIC-key`. Equal keys have equal bytes, and so one partition, as long as they are
    /// written with one schema, and have no map.
    ///
    /// # Errors
    /// As [`Protobuf::new`].
    pub fn key(
        registry: &Registry,
        topic: &str,
        schema: ProtobufSchema,
        full_name: &str,
    ) -> Result<Self, ProtobufSchemaError> {
        Self::new(registry, SubjectStrategy::Topic.subject(topic, Part::Key, full_name), schema, full_name)
    }

    fn prefix(&self) -> Result<&[u8], RegistryError> {
        let Shared { registry, subject, schema, message, prefix, .. } = &*self.shared;
        if let Some(prefix) = prefix.get() {
            return Ok(prefix);
        }
        let made = self::prefix(registry, subject, schema, message)?;
        Ok(prefix.get_or_init(|| made))
    }
}

impl<T> Clone for Protobuf<T> {
    fn clone(&self) -> Self {
        Protobuf { shared: self.shared.clone(), of: PhantomData }
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
        let Shared { subject, message, .. } = &*self.shared;
        f.debug_struct("Protobuf")
            .field("subject", subject)
            .field("message", &message.full_name())
            .finish_non_exhaustive()
    }
}

impl<T: Message + Default + 'static> Serde<T> for Protobuf<T> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        out.extend_from_slice(self.prefix()?);
        value.encode(out).map_err(|error| SerdeError::new(error.to_string()))
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let (id, rest) = frame::split(bytes)?;
        let Shared { registry, message, readers, .. } = &*self.shared;
        let name = message.full_name();
        let make = || Ok::<_, SerdeError>(Reader::new(&*registry.schema(id)?, name));
        let Reader { schema, usual } = readers.get_or_make(id, make)?.as_ref().map_err(SerdeError::clone)?;
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

    fn check_writable(&self) -> Result<(), SerdeError> {
        let Shared { registry, subject, schema, .. } = &*self.shared;
        Ok(registry.check_writable(subject, &schema.to_register(registry)?)?)
    }
}
