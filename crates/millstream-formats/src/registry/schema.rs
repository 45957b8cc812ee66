use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// The number under which a registry knows a schema: it is in front of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SchemaId(pub u32);

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The language of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SchemaType {
    /// Avro: what a registry means that names no type.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
    /// Protobuf.
    Protobuf,
}

impl SchemaType {
    fn is_avro(&self) -> bool {
        *self == SchemaType::Avro
    }
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SchemaType::Avro => "Avro",
            SchemaType::Json => "JSON Schema",
            SchemaType::Protobuf => "Protobuf",
        })
    }
}

/// A schema that another one refers to, by the subject and version that it is registered under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// How the schema that refers to it calls it: a full name in Avro, the path of an import in Protobuf, a URL in JSON Schema.
    pub name: String,
    /// The subject.
    pub subject: String,
    /// The version within the subject, from 1 on.
    pub version: i32,
}

/// A schema as text, with what it refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schema {
    /// The text.
    #[serde(rename = "schema")]
    pub text: String,
    /// Its language.
    #[serde(
        rename = "schemaType",
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "SchemaType::is_avro"
    )]
    pub schema_type: SchemaType,
    /// What it refers to.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

/// Registries leave out what there is nothing to say of, or say null.
fn null_as_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Schema {
    /// A schema that refers to no other one.
    pub fn new(schema_type: SchemaType, text: impl Into<String>) -> Self {
        Schema { text: text.into(), schema_type, references: Vec::new() }
    }
}

/// A schema as a registry has it, with all that it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// Its number.
    pub id: SchemaId,
    /// The schema.
    pub schema: Schema,
    /// What it refers to, and what that refers to, by name: each one behind those that it refers to itself.
    pub referenced: Vec<(String, Arc<Schema>)>,
}

#[cfg(test)]
mod tests {
    use super::{Schema, SchemaType};

    #[test]
    fn what_registries_leave_out_or_say_null_of() {
        let plain = Schema::new(SchemaType::Avro, "\"long\"");
        let text = r#"{"schema":"\"long\""}"#;
        assert_eq!(serde_json::to_string(&plain).unwrap(), text);
        for text in [text, r#"{"schema":"\"long\"","schemaType":null,"references":null,"id":3}"#] {
            assert_eq!(serde_json::from_str::<Schema>(text).unwrap(), plain);
        }
        let json = r#"{"schema":"{}","schemaType":"JSON","references":[{"name":"a","subject":"b","version":2}]}"#;
        let read: Schema = serde_json::from_str(json).unwrap();
        assert_eq!((read.schema_type, read.references[0].version), (SchemaType::Json, 2));
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }
}
