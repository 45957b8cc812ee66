use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use apache_avro::AvroSchema as Derived;
use millstream::serde::{Json, Serde, SerdeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::avro::{Avro, AvroSchema};
use crate::registry::Registry;

/// A format of values that settings choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// JSON, without a registry.
    #[default]
    Json,
    /// Avro through a schema registry, by the schema that is derived from the type.
    Avro,
}

/// Which format the values of topics and stores have, as a service's settings say. A program asks this for its serdes, and a
/// service puts in what its settings say; until then, and in tests, all is JSON. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Formats(Arc<OnceLock<Chosen>>);

/// What settings say of formats.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// Which changelog topics stores have: `APPLICATION-STORE-changelog`.
    pub application_id: String,
    /// The registry; needed for Avro.
    pub registry: Option<Registry>,
    /// The format of what is not named.
    pub default: Format,
    /// The format of topics and stores, by name.
    pub named: BTreeMap<String, Format>,
}

impl Formats {
    /// Says it, once.
    ///
    /// # Errors
    /// What was to be said, if something was said before.
    pub fn set(&self, chosen: Chosen) -> Result<(), Box<Chosen>> {
        self.0.set(chosen).map_err(Box::new)
    }

    /// The serde of a topic's values. In Avro their subject is `TOPIC-value`.
    pub fn value<T>(&self, topic: &str) -> Arc<dyn Serde<T>>
    where
        T: Serialize + DeserializeOwned + Derived + 'static,
    {
        self.serde(topic, |_| topic.to_owned())
    }

    /// The serde of a store's values. In Avro their subject is that of its changelog's values.
    pub fn stored<T>(&self, store: &str) -> Arc<dyn Serde<T>>
    where
        T: Serialize + DeserializeOwned + Derived + 'static,
    {
        self.serde(store, |chosen| format!("{}-{store}-changelog", chosen.application_id))
    }

    fn serde<T>(&self, name: &str, topic: impl FnOnce(&Chosen) -> String) -> Arc<dyn Serde<T>>
    where
        T: Serialize + DeserializeOwned + Derived + 'static,
    {
        let Some(chosen) = self.0.get() else { return Arc::new(Json) };
        match chosen.named.get(name).unwrap_or(&chosen.default) {
            Format::Json => Arc::new(Json),
            Format::Avro => match (&chosen.registry, AvroSchema::of::<T>()) {
                (Some(registry), Ok(schema)) => Arc::new(Avro::value(registry, &topic(chosen), schema)),
                (None, _) => Arc::new(Unusable(format!("{name} is to be Avro, and there is no schema registry"))),
                (_, Err(error)) => Arc::new(Unusable(format!("the schema that is derived for {name}: {error}"))),
            },
        }
    }
}

/// Says why there is no serde, before the first record.
struct Unusable(String);

impl<T> Serde<T> for Unusable {
    fn encode(&self, _: &T, _: &mut Vec<u8>) -> Result<(), SerdeError> {
        Err(SerdeError::new(self.0.clone()))
    }

    fn decode(&self, _: &[u8]) -> Result<T, SerdeError> {
        Err(SerdeError::new(self.0.clone()))
    }

    fn check_writable(&self) -> Result<(), SerdeError> {
        Err(SerdeError::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Format, Formats, Serde};

    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, apache_avro::AvroSchema)]
    struct Note {
        text: String,
    }

    fn written(formats: &Formats, topic: &str) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let note = Note { text: "x".into() };
        formats.value(topic).encode(&note, &mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn all_is_json_until_settings_say_otherwise() {
        let formats = Formats::default();
        assert_eq!(written(&formats, "notes").unwrap(), br#"{"text":"x"}"#);
        let named = [("plain".to_owned(), Format::Json)].into();
        formats.set(Chosen { default: Format::Avro, named, ..Chosen::default() }).unwrap();
        assert_eq!(written(&formats, "plain").unwrap(), br#"{"text":"x"}"#);
        assert!(written(&formats.clone(), "notes").unwrap_err().contains("there is no schema registry"));
        let refused = formats.value::<Note>("notes").check_writable().unwrap_err();
        assert!(!refused.is_transient());
        assert!(formats.set(Chosen::default()).is_err());
    }
}
