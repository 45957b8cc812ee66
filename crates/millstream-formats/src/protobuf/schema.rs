use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor};
use prost_types::FileDescriptorProto;
use protox::Compiler;
use protox::file::{File, FileResolver, GoogleFileResolver};

use crate::registry::{Reference, RegisteredSchema, Registry, RegistryError, Schema, SchemaType};

/// Deeper than this no text of a schema has braces and brackets. The parser limits messages alone, not the values of options.
const BRACKETS_DEEP_MAX: usize = 64;

/// The file's own name. No import has it: names of imports have no `<`.
const OWN_NAME: &str = "<schema>";

/// A `.proto` file, compiled, with those that it imports.
///
/// A registry that another client wrote to may have it as a base64 of its `FileDescriptorProto` instead of its text: Python's
/// registers it so. Both are read.
pub struct ProtobufSchema {
    text: String,
    references: References,
    file: FileDescriptor,
}

/// What a file imports.
enum References {
    /// Files as texts, by their names: registered when the file is.
    Written(HashMap<String, String>),
    /// What the registry said.
    Registered(Vec<Reference>),
}

impl fmt::Debug for ProtobufSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtobufSchema").field("text", &self.text).finish_non_exhaustive()
    }
}

/// A text that is no schema, or has not the message that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProtobufSchemaError(String);

impl ProtobufSchema {
    /// The schema that is the text of a `.proto` file. It may import `google/protobuf/*.proto`.
    ///
    /// # Errors
    /// The text is not valid, or imports other files.
    pub fn new(text: &str) -> Result<Self, ProtobufSchemaError> {
        Self::with_imports(text, [])
    }

    /// The same, with the files that it imports, and those that they import: each file's name, as imports call it, and its text.
    /// A registry has each of them under a subject of that name, as Confluent's clients do it.
    ///
    /// # Errors
    /// A text is not valid, or a file is missing.
    pub fn with_imports<'a>(
        text: &str,
        imports: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ProtobufSchemaError> {
        let imports: HashMap<String, String> =
            imports.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let file = compile(text, imports.clone())?;
        Ok(ProtobufSchema { text: text.to_owned(), references: References::Written(imports), file })
    }

    /// A schema as a registry has it.
    ///
    /// # Errors
    /// It is none of Protobuf, or not valid.
    pub fn registered(registered: &RegisteredSchema) -> Result<Self, ProtobufSchemaError> {
        let RegisteredSchema { id, schema, referenced } = registered;
        if schema.schema_type != SchemaType::Protobuf {
            return Err(ProtobufSchemaError(format!(
                "the schema with the id {id} is one of {}; one of Protobuf is to be there",
                schema.schema_type
            )));
        }
        let imports = referenced.iter().map(|(name, schema)| (name.clone(), schema.text.clone())).collect();
        let file = compile(&schema.text, imports)
            .map_err(|error| ProtobufSchemaError(format!("the schema with the id {id}: {error}")))?;
        let references = References::Registered(schema.references.clone());
        Ok(ProtobufSchema { text: schema.text.clone(), references, file })
    }

    /// The message of that full name, such as `shop.Order` or `shop.Order.Line`.
    ///
    /// # Errors
    /// The file itself has no such message; an import does not count.
    pub fn message(&self, full_name: &str) -> Result<MessageDescriptor, ProtobufSchemaError> {
        let found = self.file.parent_pool().get_message_by_name(full_name);
        found.filter(|message| message.parent_file() == self.file).ok_or_else(|| {
            let names: Vec<_> = self.file.messages().map(|message| message.full_name().to_owned()).collect();
            ProtobufSchemaError(format!(
                "found no message {full_name} in the schema; at its top level are: {}",
                names.join(", ")
            ))
        })
    }

    /// An empty message of that full name.
    ///
    /// # Errors
    /// As [`ProtobufSchema::message`].
    pub fn new_message(&self, full_name: &str) -> Result<DynamicMessage, ProtobufSchemaError> {
        self.message(full_name).map(DynamicMessage::new)
    }

    /// The message at the end of a path of indexes, one for each level of nesting.
    pub(super) fn message_at(&self, path: &[u32]) -> Option<MessageDescriptor> {
        let (first, rest) = path.split_first()?;
        let mut message = self.file.messages().nth(*first as usize)?;
        for index in rest {
            let declared = message.child_messages().filter(|child| !child.is_map_entry()).nth(*index as usize);
            message = declared?;
        }
        Some(message)
    }

    /// The path to a message of this file. Messages that stand for the entries of maps are not counted: they are not in a
    /// schema's text.
    pub(super) fn path_to(&self, message: &MessageDescriptor) -> Vec<u32> {
        let mut path = Vec::new();
        let mut message = message.clone();
        while let Some(parent) = message.parent_message() {
            path.push(position(parent.child_messages().filter(|child| !child.is_map_entry()), &message));
            message = parent;
        }
        path.push(position(self.file.messages(), &message));
        path.reverse();
        path
    }

    pub(super) fn has(&self, message: &MessageDescriptor) -> bool {
        message.parent_file() == self.file
    }

    /// As a registry is to have it: what it imports is registered first, or looked up where that is off.
    pub(super) fn to_register(&self, registry: &Registry) -> Result<Schema, RegistryError> {
        let references = match &self.references {
            References::Registered(references) => references.clone(),
            References::Written(texts) => referred(registry, &self.file, texts)?,
        };
        Ok(Schema { references, ..Schema::new(SchemaType::Protobuf, &*self.text) })
    }
}

fn position(mut messages: impl Iterator<Item = MessageDescriptor>, message: &MessageDescriptor) -> u32 {
    let position = messages.position(|other| other == *message).expect("a message is among its parent's");
    u32::try_from(position).expect("a schema has less than 2^32 messages")
}

/// References to the files that one imports itself, each registered with those that it imports.
fn referred(
    registry: &Registry,
    file: &FileDescriptor,
    texts: &HashMap<String, String>,
) -> Result<Vec<Reference>, RegistryError> {
    let imported = file.dependencies().filter_map(|import| Some((texts.get(import.name())?, import)));
    imported
        .map(|(text, import)| {
            let references = referred(registry, &import, texts)?;
            let schema = Schema { references, ..Schema::new(SchemaType::Protobuf, &**text) };
            registry.reference(import.name(), import.name(), &schema)
        })
        .collect()
}

/// Finds imports among what is there, and among those that every compiler has.
struct Imports {
    texts: HashMap<String, String>,
    google: GoogleFileResolver,
}

impl FileResolver for Imports {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.texts.get(name) {
            Some(text) => parse(name, text),
            None => self.google.open_file(name),
        }
    }
}

fn compile(text: &str, mut texts: HashMap<String, String>) -> Result<FileDescriptor, ProtobufSchemaError> {
    texts.insert(OWN_NAME.to_owned(), text.to_owned());
    let mut compiler = Compiler::with_file_resolver(Imports { texts, google: GoogleFileResolver::new() });
    compiler.open_file(OWN_NAME).map_err(|error| ProtobufSchemaError(format!("no valid .proto file: {error:?}")))?;
    let pool: DescriptorPool = compiler.descriptor_pool();
    pool.get_file_by_name(OWN_NAME).ok_or_else(|| ProtobufSchemaError("no .proto file".to_owned()))
}

/// A file from its text, or from its descriptor in base64.
fn parse(name: &str, text: &str) -> Result<File, protox::Error> {
    let described = BASE64_STANDARD.decode(text.trim_ascii()).ok().filter(|bytes| !bytes.is_empty());
    if let Some(file) = described.and_then(|bytes| FileDescriptorProto::decode(&*bytes).ok()) {
        return Ok(File::from_file_descriptor_proto(FileDescriptorProto { name: Some(name.to_owned()), ..file }));
    }
    match brackets_deep(text) <= BRACKETS_DEEP_MAX {
        true => File::from_source(name, text),
        false => Err(protox::Error::new(format!(
            "its braces and brackets are nested more than {BRACKETS_DEEP_MAX} deep, the most that is read"
        ))),
    }
}

/// How deep braces and brackets are nested, those of comments and texts among them.
fn brackets_deep(text: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'<' => depth += 1,
            b'}' | b']' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}
