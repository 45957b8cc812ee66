use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::http::Http;
use super::memory::Memory;
use super::transport::Transport;
use super::unknown::Unknown;
use super::{Reference, RegisteredSchema, RegistryError, RegistrySettings, Schema, SchemaId};

/// How deep schemas may refer to others, and how many there may be for one.
const REFERENCES_DEEP_MAX: usize = 32;
const REFERENCES_MAX: usize = 1_000;
/// What a part of a path has as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// How long a wait for a registry is between two questions.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A schema registry, with what it has said so far. A clone is the same one.
///
/// What a registry says of an id, or of a schema under a subject, never changes, and is asked once. Calls block for as long as
/// one request may take at most.
#[derive(Clone, Debug)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Transport,
    auto_register: bool,
    by_id: Mutex<HashMap<SchemaId, Arc<RegisteredSchema>>>,
    ids: Mutex<HashMap<(String, Schema), SchemaId>>,
    unknown: Mutex<Unknown>,
    /// When it was away last, and why: who waited in line meanwhile need not ask, too.
    away: Mutex<Option<(Instant, RegistryError)>>,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: SchemaId,
}

#[derive(Deserialize)]
struct ReferenceAnswer {
    version: i32,
}

#[derive(Deserialize)]
struct CompatibilityAnswer {
    is_compatible: bool,
    #[serde(default)]
    messages: Vec<String>,
}

#[derive(Deserialize)]
struct LevelAnswer {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

/// A version of a subject.
#[derive(Clone, Debug, Deserialize)]
struct VersionAnswer {
    id: SchemaId,
    #[serde(flatten)]
    schema: Schema,
}

impl Registry {
    /// A registry, which is not asked yet.
    ///
    /// # Errors
    /// [`RegistryError::Unusable`] for a URL or authorities that cannot be used.
    pub fn new(settings: &RegistrySettings) -> Result<Self, RegistryError> {
        Ok(Registry::over(Transport::Http(Http::new(settings)?), settings.auto_register))
    }

    /// A registry within this process, empty at first, for tests of topologies: it registers every schema and knows no rules of
    /// compatibility.
    pub fn in_memory() -> Self {
        Registry::over(Transport::Memory(Memory::default()), true)
    }

    fn over(transport: Transport, auto_register: bool) -> Self {
        Registry(Arc::new(Inner {
            transport,
            auto_register,
            by_id: Mutex::default(),
            ids: Mutex::default(),
            unknown: Mutex::default(),
            away: Mutex::default(),
        }))
    }

    /// The schema with that id, and what it refers to. That there is none is remembered for some seconds.
    pub fn schema(&self, id: SchemaId) -> Result<Arc<RegisteredSchema>, RegistryError> {
        if let Some(found) = locked(&self.0.by_id).get(&id) {
            return Ok(found.clone());
        }
        if locked(&self.0.unknown).has(id, Instant::now()) {
            return Err(RegistryError::UnknownId(id));
        }
        let schema: Schema = match self.asked(|http| http.get(&format!("/schemas/ids/{id}"))) {
            Err(RegistryError::NotFound(_)) => {
                locked(&self.0.unknown).note(id, Instant::now());
                return Err(RegistryError::UnknownId(id));
            }
            answer => answer?,
        };
        let referenced = self.referenced(&schema.references)?;
        let registered = Arc::new(RegisteredSchema { id, schema, referenced });
        locked(&self.0.by_id).insert(id, registered.clone());
        Ok(registered)
    }

    /// The id of a schema under a subject: registers it where it is new and [may be](RegistrySettings::auto_register).
    pub fn id_of(&self, subject: &str, schema: &Schema) -> Result<SchemaId, RegistryError> {
        let key = (subject.to_owned(), schema.clone());
        if let Some(id) = locked(&self.0.ids).get(&key) {
            return Ok(*id);
        }
        let id = if self.0.auto_register { self.register(subject, schema)? } else { self.look_up(subject, schema)? };
        locked(&self.0.ids).insert(key, id);
        Ok(id)
    }

    /// Registers a schema under a subject. One that is there already keeps its id.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] where it is not valid, or not compatible with those before.
    pub fn register(&self, subject: &str, schema: &Schema) -> Result<SchemaId, RegistryError> {
        let path = format!("/subjects/{}/versions", in_path(subject));
        let IdAnswer { id } = self.asked(|http| http.post(&path, schema)).map_err(|error| error.of(subject))?;
        Ok(id)
    }

    /// The id of a schema that the subject has.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] where it has not.
    pub fn look_up(&self, subject: &str, schema: &Schema) -> Result<SchemaId, RegistryError> {
        let path = format!("/subjects/{}", in_path(subject));
        match self.asked(|http| http.post(&path, schema)) {
            Ok(IdAnswer { id }) => Ok(id),
            Err(RegistryError::NotFound(message)) => Err(RegistryError::NotFound(format!(
                "subject {subject} does not have the schema that is to be written, and registering it is off \
                 (auto_register): {message}"
            ))),
            Err(error) => Err(error.of(subject)),
        }
    }

    /// What a schema is to say that refers to this one, which is known there by `name`: registers it under the subject first,
    /// where that [may be](RegistrySettings::auto_register).
    ///
    /// # Errors
    /// As [`Registry::register`], or as [`Registry::look_up`] where registering is off.
    pub fn reference(&self, name: &str, subject: &str, schema: &Schema) -> Result<Reference, RegistryError> {
        self.id_of(subject, schema)?;
        let path = format!("/subjects/{}", in_path(subject));
        let ReferenceAnswer { version } =
            self.asked(|http| http.post(&path, schema)).map_err(|error| error.of(subject))?;
        Ok(Reference { name: name.to_owned(), subject: subject.to_owned(), version })
    }

    /// The latest schema of a subject.
    pub fn latest(&self, subject: &str) -> Result<Arc<RegisteredSchema>, RegistryError> {
        let VersionAnswer { id, .. } = self.version(subject, "latest")?;
        self.schema(id)
    }

    /// Checks that a schema could be registered under a subject, as its compatibility rule says; any can where the subject
    /// has none yet.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], with why, where it could not.
    pub fn check_compatible(&self, subject: &str, schema: &Schema) -> Result<(), RegistryError> {
        let versions = if self.is_transitive(subject)? { "" } else { "/latest" };
        let path = format!("/compatibility/subjects/{}/versions{versions}?verbose=true", in_path(subject));
        match self.asked(|http| http.post(&path, schema)) {
            Ok(CompatibilityAnswer { is_compatible: true, .. }) | Err(RegistryError::NotFound(_)) => Ok(()),
            Ok(CompatibilityAnswer { messages, .. }) => {
                let why = if messages.is_empty() { String::new() } else { format!(": {}", messages.join("; ")) };
                Err(RegistryError::Refused(format!(
                    "the schema that is to be written is not compatible with what subject {subject} has{why}"
                )))
            }
            Err(error) => Err(error.of(subject)),
        }
    }

    /// Whether the rule of a subject looks at all its versions, and not at the latest one alone. Asked without a version,
    /// Confluent's registry goes by the rule; Apicurio's always looks at all.
    fn is_transitive(&self, subject: &str) -> Result<bool, RegistryError> {
        match self.asked(|http| http.get(&format!("/config/{}?defaultToGlobal=true", in_path(subject)))) {
            Ok(LevelAnswer { level }) => Ok(level.ends_with("_TRANSITIVE")),
            Err(RegistryError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.of(subject)),
        }
    }

    /// Checks, before the first record, that a schema can be written under a subject: that it is there, or that it is
    /// compatible where it may be registered.
    pub fn check_writable(&self, subject: &str, schema: &Schema) -> Result<(), RegistryError> {
        match self.0.auto_register {
            true => self.check_compatible(subject, schema),
            false => self.id_of(subject, schema).map(|_| ()),
        }
    }

    /// Waits until the registry answers: at most for `limit`, between questions ever longer up to 5 s. The log
    /// says so.
    pub fn wait_until_up(&self, limit: Duration) -> Result<(), RegistryError> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            match self.asked(|http| http.get::<Vec<String>>("/subjects")) {
                Err(RegistryError::Away(message)) if start.elapsed() + pause < limit => {
                    if pause == FIRST_PAUSE || pause == PAUSE_MAX {
                        let (waited, limit) = (start.elapsed().as_secs(), limit.as_secs());
                        tracing::info!("waiting for the schema registry, {waited} of {limit} s: {message}");
                    }
                    std::thread::sleep(pause);
                }
                Err(RegistryError::Away(message)) => {
                    return Err(RegistryError::Away(format!("{message} (waited {} s)", limit.as_secs())));
                }
                answer => return answer.map(|_| ()),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn version(&self, subject: &str, version: &str) -> Result<VersionAnswer, RegistryError> {
        self.asked(|http| http.get(&format!("/subjects/{}/versions/{version}", in_path(subject))))
    }

    /// What these refer to, each behind those that it refers to itself.
    pub(crate) fn referenced(&self, references: &[Reference]) -> Result<Vec<(String, Arc<Schema>)>, RegistryError> {
        let mut found = Vec::new();
        self.collect(references, 0, &mut found)?;
        Ok(found)
    }

    fn collect(
        &self,
        references: &[Reference],
        depth: usize,
        found: &mut Vec<(String, Arc<Schema>)>,
    ) -> Result<(), RegistryError> {
        for Reference { name, subject, version } in references {
            if found.iter().any(|(known, _)| known == name) {
                continue;
            }
            if depth >= REFERENCES_DEEP_MAX || found.len() >= REFERENCES_MAX {
                return Err(RegistryError::Refused(format!(
                    "a schema refers to others more than {REFERENCES_DEEP_MAX} deep, or to more than {REFERENCES_MAX}: at \
                     {name} of subject {subject}"
                )));
            }
            let VersionAnswer { schema, .. } = self.version(subject, &version.to_string())?;
            self.collect(&schema.references, depth + 1, found)?;
            found.push((name.clone(), Arc::new(schema)));
        }
        Ok(())
    }

    /// Asks. Of callers that come while the registry does not answer, one waits for it.
    fn asked<T>(&self, ask: impl FnOnce(&Transport) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        let came = Instant::now();
        let mut away = locked(&self.0.away);
        if let Some((since, error)) = &*away
            && *since > came
        {
            return Err(error.clone());
        }
        let answer = ask(&self.0.transport);
        *away = match &answer {
            Err(error @ RegistryError::Away(_)) => Some((Instant::now(), error.clone())),
            _ => None,
        };
        answer
    }
}

fn in_path(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is held is whole between any two steps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
