use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{RegistryError, Schema};

/// A registry within this process, which answers by the paths of Confluent's API. It knows no rules of compatibility: every
/// schema may be registered.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Schemas>);

#[derive(Debug, Default)]
struct Schemas {
    /// The schema with the id 1, and so on.
    by_id: Vec<Schema>,
    /// Subjects, each with the ids of its versions, from version 1 on.
    subjects: Vec<(String, Vec<usize>)>,
}

impl Memory {
    pub(super) fn answer(&self, path: &str, body: Option<&Schema>) -> Result<Value, RegistryError> {
        let mut schemas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<Arc<str>> =
            path.split('/').skip(1).map(|part| percent_decode_str(part).decode_utf8_lossy().as_ref().into()).collect();
        let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
        match (parts.as_slice(), body) {
            (["schemas", "ids", id], None) => {
                let id = id.parse().unwrap_or(0);
                schemas.schema(id).map(|schema| json!(schema)).ok_or_else(|| not_found("schema", &id))
            }
            (["subjects"], None) => Ok(schemas.subjects.iter().map(|(name, _)| name.as_str()).collect()),
            (["subjects", subject, "versions"], Some(schema)) => {
                let id = schemas.register(subject, schema);
                Ok(json!({"id": id}))
            }
            (["subjects", subject], Some(schema)) => {
                let versions = schemas.versions(subject);
                let found = versions.iter().position(|id| schemas.schema(*id) == Some(schema));
                let version = found.ok_or_else(|| not_found("schema of subject", subject))?;
                Ok(json!({"id": versions[version], "version": version + 1}))
            }
            (["subjects", subject, "versions", version], None) => {
                let versions = schemas.versions(subject);
                let id = match *version {
                    "latest" => versions.last(),
                    number => number.parse::<usize>().ok().and_then(|number| versions.get(number.checked_sub(1)?)),
                };
                let id = *id.ok_or_else(|| not_found("version", &format!("{version} of {subject}")))?;
                let mut answer = json!(schemas.schema(id));
                answer["id"] = id.into();
                Ok(answer)
            }
            (["config", ..], None) => Ok(json!({"compatibilityLevel": "NONE"})),
            (["compatibility", ..], Some(_)) => Ok(json!({"is_compatible": true})),
            _ => Err(RegistryError::Unusable(format!("the registry in memory knows no {path}"))),
        }
    }
}

impl Schemas {
    fn schema(&self, id: usize) -> Option<&Schema> {
        self.by_id.get(id.checked_sub(1)?)
    }

    fn versions(&self, subject: &str) -> &[usize] {
        self.subjects.iter().find(|(name, _)| name == subject).map_or(&[], |(_, versions)| versions)
    }

    fn register(&mut self, subject: &str, schema: &Schema) -> usize {
        let known = self.by_id.iter().position(|other| other == schema);
        let id = known.unwrap_or_else(|| {
            self.by_id.push(schema.clone());
            self.by_id.len() - 1
        }) + 1;
        match self.subjects.iter_mut().find(|(name, _)| name == subject) {
            Some((_, versions)) if versions.contains(&id) => {}
            Some((_, versions)) => versions.push(id),
            None => self.subjects.push((subject.to_owned(), vec![id])),
        }
        id
    }
}

fn not_found(what: &str, which: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::NotFound(format!("the registry in memory has no {what} {which}"))
}

#[cfg(test)]
mod tests {
    use crate::registry::{Reference, Registry, RegistryError, Schema, SchemaId, SchemaType};

    #[test]
    fn it_answers_as_a_registry_does() {
        let registry = Registry::in_memory();
        let (a, b) = (Schema::new(SchemaType::Avro, "\"int\""), Schema::new(SchemaType::Avro, "\"long\""));
        assert_eq!(
            registry.latest("s/ä"),
            Err(RegistryError::NotFound("the registry in memory has no version latest of s/ä".into()))
        );
        registry.check_writable("s/ä", &a).unwrap();
        assert_eq!(registry.id_of("s/ä", &a), Ok(SchemaId(1)));
        assert_eq!(registry.id_of("s/ä", &b), Ok(SchemaId(2)));
        assert_eq!(registry.id_of("other", &b), Ok(SchemaId(2)));
        assert_eq!(registry.look_up("s/ä", &a), Ok(SchemaId(1)));
        assert!(matches!(registry.look_up("other", &a), Err(RegistryError::NotFound(_))));
        assert_eq!(registry.latest("s/ä").unwrap().schema, b);
        assert_eq!(registry.schema(SchemaId(3)), Err(RegistryError::UnknownId(SchemaId(3))));
        registry.wait_until_up(std::time::Duration::ZERO).unwrap();
    }

    #[test]
    fn a_reference_names_the_version_of_its_subject() {
        let registry = Registry::in_memory();
        let (a, b) = (Schema::new(SchemaType::Protobuf, "a"), Schema::new(SchemaType::Protobuf, "b"));
        registry.register("b.proto", &a).unwrap();
        let reference = registry.reference("b.proto", "b.proto", &b).unwrap();
        assert_eq!(reference, Reference { name: "b.proto".into(), subject: "b.proto".into(), version: 2 });
        let c = Schema { references: vec![reference], ..Schema::new(SchemaType::Protobuf, "c") };
        let id = registry.register("c", &c).unwrap();
        let found = registry.schema(id).unwrap();
        assert_eq!(found.referenced, [("b.proto".to_owned(), std::sync::Arc::new(b))]);
    }
}
