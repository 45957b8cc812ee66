//! JSON that a JSON Schema describes, through a schema registry.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use millstream::serde::{Serde, SerdeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::registry::{
    ById, Part, RegisteredSchema, Registry, RegistryError, Schema, SchemaType, SubjectStrategy, frame,
};

/// Of so many ways in which a value does not fit its schema an error tells.
const TOLD_MAX: usize = 3;

/// JSON by the type's own `Serialize` and `Deserialize`, in the wire format of a schema registry, and checked against its schema:
/// when it is written, and when it is read, then against the schema that it was written with. A clone shares what was asked of the
/// registry. [`serde_json::Value`] is the type for records whose type is known at run
/// time only.
///
/// Patterns in schemas are matched in time linear in the text: they have neither look-around nor back-references. Nothing is
/// fetched but from the registry.
pub struct JsonSchema<T> {
    shared: Arc<Shared>,
    is_checked: bool,
    of: PhantomData<fn() -> T>,
}

struct Shared {
    registry: Registry,
    subject: String,
    schema: Schema,
    validator: Validator,
    /// The frame of each record that is written.
    frame: OnceLock<Vec<u8>>,
    readers: ById<Result<Validator, SerdeError>>,
}

impl<T> JsonSchema<T> {
    /// Values that fit that schema, the text of a JSON Schema that refers to no other one. The registry has it, or gets it, under
    /// that subject, and is asked with the first value.
    ///
    /// # Errors
    /// The schema is not valid.
    pub fn new(registry: &Registry, subject: impl Into<String>, schema: &str) -> Result<Self, SerdeError> {
        Self::referring(registry, subject, Schema::new(SchemaType::Json, schema), &[])
    }

    /// The values of a topic, under the subject `TOPIC-value`.
    ///
    /// # Errors
    /// As [`JsonSchema::new`].
    pub fn value(registry: &Registry, topic: &str, schema: &str) -> Result<Self, SerdeError> {
        Self::new(registry, SubjectStrategy::Topic.subject(topic, Part::Value, ""), schema)
    }

    /// As [`JsonSchema::new`] with a schema that refers to others. Each reference says how the schema calls the other one in
    /// `$ref`, and where the registry has it; `texts` are those, in the same order.
    ///
    /// # Errors
    /// The schema is not valid.
    pub fn referring(
        registry: &Registry,
        subject: impl Into<String>,
        schema: Schema,
        texts: &[&str],
    ) -> Result<Self, SerdeError> {
        let names = schema.references.iter().map(|reference| reference.name.clone());
        let validator = validator(&schema.text, names.zip(texts.iter().map(|text| (*text).to_owned())).collect())?;
        let (registry, subject) = (registry.clone(), subject.into());
        let (frame, readers) = (OnceLock::new(), ById::default());
        let shared = Arc::new(Shared { registry, subject, schema, validator, frame, readers });
        Ok(JsonSchema { shared, is_checked: true, of: PhantomData })
    }

    /// The same, without a look at the schemas of records that are read, nor at whether values that are written fit: for records
    /// of those who check them already.
    pub fn unchecked(self) -> Self {
        JsonSchema { is_checked: false, ..self }
    }

    fn frame(&self) -> Result<&[u8], RegistryError> {
        let Shared { registry, subject, schema, frame, .. } = &*self.shared;
        if let Some(frame) = frame.get() {
            return Ok(frame);
        }
        let mut made = Vec::new();
        frame::write(registry.id_of(subject, schema)?, &mut made);
        Ok(frame.get_or_init(|| made))
    }
}

impl<T> Clone for JsonSchema<T> {
    fn clone(&self) -> Self {
        JsonSchema { shared: self.shared.clone(), is_checked: self.is_checked, of: PhantomData }
    }
}

impl<T> fmt::Debug for JsonSchema<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonSchema").field("subject", &self.shared.subject).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde<T> for JsonSchema<T> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), SerdeError> {
        let refused = |error: serde_json::Error| SerdeError::new(format!("cannot be written as JSON: {error}"));
        if self.is_checked {
            fits(&self.shared.validator, &serde_json::to_value(value).map_err(refused)?).map_err(|why| {
                SerdeError::new(format!("does not fit the schema of subject {}: {why}", self.shared.subject))
            })?;
        }
        out.extend_from_slice(self.frame()?);
        serde_json::to_writer(out, value).map_err(refused)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, SerdeError> {
        let (id, rest) = frame::split(bytes)?;
        let unread = |error: serde_json::Error| {
            let start = String::from_utf8_lossy(&rest[..rest.len().min(60)]);
            SerdeError::new(format!("not the JSON expected: {error}; it begins with {start:?}"))
        };
        if !self.is_checked {
            return serde_json::from_slice(rest).map_err(unread);
        }
        let make = || Ok::<_, SerdeError>(registered(&*self.shared.registry.schema(id)?));
        let validator = self.shared.readers.get_or_make(id, make)?.as_ref().map_err(SerdeError::clone)?;
        let value: Value = serde_json::from_slice(rest).map_err(unread)?;
        fits(validator, &value)
            .map_err(|why| SerdeError::new(format!("does not fit the schema with the id {id}: {why}")))?;
        serde_json::from_value(value).map_err(unread)
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        let Shared { registry, subject, schema, .. } = &*self.shared;
        Ok(registry.check_writable(subject, schema)?)
    }
}

fn registered(registered: &RegisteredSchema) -> Result<Validator, SerdeError> {
    let RegisteredSchema { id, schema, referenced } = registered;
    if schema.schema_type != SchemaType::Json {
        return Err(SerdeError::new(format!(
            "the schema with the id {id} is one of {}; a JSON Schema is to be there",
            schema.schema_type
        )));
    }
    let texts = referenced.iter().map(|(name, schema)| (name.clone(), schema.text.clone())).collect();
    validator(&schema.text, texts).map_err(|error| SerdeError::new(format!("the schema with the id {id}: {error}")))
}

/// What checks values by the schema, given the texts that it refers to by their names.
fn validator(text: &str, texts: HashMap<String, String>) -> Result<Validator, SerdeError> {
    let invalid = |error: &dyn fmt::Display| SerdeError::new(format!("no valid JSON Schema: {error}"));
    let schema: Value = serde_json::from_str(text).map_err(|error| invalid(&error))?;
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .with_retriever(Referred(texts))
        .build(&schema)
        .map_err(|error| invalid(&error))
}

/// Schemas by the names that others refer to them by.
struct Referred(HashMap<String, String>);

impl Retrieve for Referred {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let uri = uri.as_str();
        // A name that is no whole URL was resolved against the one of the schema that has it.
        let is_it =
            |name: &str| uri.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'));
        match self.0.iter().find(|(name, _)| is_it(name)) {
            Some((_, text)) => Ok(serde_json::from_str(text)?),
            None => Err(format!("{uri} is not among the references of the schema").into()),
        }
    }
}

fn fits(validator: &Validator, value: &Value) -> Result<(), String> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let told: Vec<String> = validator
        .iter_errors(value)
        .take(TOLD_MAX)
        .map(|error| {
            let message: String = error.to_string().chars().take(200).collect();
            format!("{message} (at {:?})", error.instance_path().as_str())
        })
        .collect();
    Err(told.join("; "))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const TEXT: &str = r#"{"type": "object", "required": ["id"], "properties":
        {"id": {"type": "string", "pattern": "^[a-z]+$"}, "count": {"type": "integer", "minimum": 1}}}"#;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Order {
        id: String,
        count: Option<u32>,
    }

    fn serde<T>(registry: &Registry) -> JsonSchema<T> {
        JsonSchema::value(registry, "orders", TEXT).unwrap()
    }

    fn error(serde: &JsonSchema<Value>, bytes: &[u8]) -> String {
        let error = serde.decode(bytes).unwrap_err();
        assert!(!error.is_transient());
        error.to_string()
    }

    #[test]
    fn values_that_fit_are_written_and_read() {
        let registry = Registry::in_memory();
        let value = serde_json::json!({"id": "ab", "count": 3});
        let mut out = Vec::new();
        serde(&registry).encode(&value, &mut out).unwrap();
        assert!(out.starts_with(&[0, 0, 0, 0, 1, b'{']), "{out:?}");
        assert_eq!(serde(&registry).decode(&out), Ok(value));
        assert_eq!(serde(&registry).decode(&out), Ok(Order { id: "ab".into(), count: Some(3) }));

        let error = serde(&registry).encode(&Order { id: "A".into(), count: None }, &mut out).unwrap_err().to_string();
        assert!(error.starts_with("does not fit the schema of subject orders-value: "), "{error}");
        assert!(error.contains("(at \"/id\")") && error.contains("(at \"/count\")"), "{error}");
        serde(&registry).unchecked().encode(&Order { id: "A".into(), count: None }, &mut Vec::new()).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let registry = Registry::in_memory();
        let serde = serde(&registry);
        serde.encode(&serde_json::json!({"id": "a"}), &mut Vec::new()).unwrap();
        let avro = registry.register("a", &Schema::new(SchemaType::Avro, "\"int\"")).unwrap();
        let broken = registry.register("b", &Schema::new(SchemaType::Json, "{\"type\": 7}")).unwrap();
        let of = |id: u8, text: &str| [&[0, 0, 0, 0, id], text.as_bytes()].concat();
        assert!(error(&serde, b"{\"id\":\"a\"}").starts_with("found 0x7b as the first byte"));
        assert!(error(&serde, &of(1, "{\"id\":7}")).contains("7 is not of type \"string\" (at \"/id\")"));
        assert!(error(&serde, &of(1, "{\"id\":\"a\"} x")).contains("trailing characters"));
        assert!(error(&serde, &of(1, &"[".repeat(100_000))).contains("recursion limit exceeded"));
        assert!(error(&serde, &of(77, "{}")).contains("no schema with the id 77"));
        assert!(error(&serde, &of(avro.0 as u8, "7")).contains("is one of Avro; a JSON Schema is to be there"));
        assert!(error(&serde, &of(broken.0 as u8, "7")).contains("no valid JSON Schema"));
    }

    #[test]
    fn schemas_refer_to_others_and_to_nothing_outside() {
        let registry = Registry::in_memory();
        let amount = Schema::new(SchemaType::Json, "{\"type\": \"integer\"}");
        let name = "amount.json";
        let schema = Schema {
            references: vec![registry.reference(name, "amounts", &amount).unwrap()],
            ..Schema::new(SchemaType::Json, format!("{{\"additionalProperties\": {{\"$ref\": {name:?}}}}}"))
        };
        let prices = JsonSchema::referring(&registry, "prices-value", schema, &[&amount.text]).unwrap();
        let mut out = Vec::new();
        prices.encode(&serde_json::json!({"tea": 3}), &mut out).unwrap();
        assert_eq!(serde(&registry).decode(&out), Ok(serde_json::json!({"tea": 3})));
        out.splice(out.len() - 2.., *b"\"\"}");
        assert!(error(&prices, &out).contains("is not of type \"integer\""));

        let outside = "{\"$ref\": \"http://127.0.0.1:1/a.json\"}";
        let error = JsonSchema::<Value>::new(&registry, "t", outside).unwrap_err().to_string();
        assert!(error.contains("not among the references of the schema"), "{error}");
    }
}
