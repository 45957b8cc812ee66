use std::fmt;

use serde::ser::{Error, Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::Settings;
use super::keys::{Kind, kind_of, names_in};
use super::secrets::{HIDDEN, Secrets};

impl Settings {
    /// All settings as YAML in the order of the reference, secrets hidden: what `--print-config` prints.
    pub(crate) fn to_yaml(&self) -> Result<String, serde_saphyr::SerializeError> {
        let values = serde_json::to_value(self).map_err(serde_saphyr::SerializeError::custom)?;
        serde_saphyr::to_string(&Section { path: String::new(), values: &values, secrets: &self.secrets })
    }
}

/// As `--print-config` shows them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_yaml().map_err(|_| fmt::Error)?)
    }
}

struct Section<'a> {
    path: String,
    values: &'a Value,
    secrets: &'a Secrets,
}

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // The names of properties are any; those of all other sections are known, and in order.
        let names: Vec<&str> = match (kind_of(&self.path), self.values) {
            (Some(Kind::Properties), Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            _ => names_in(&self.path),
        };
        for name in names {
            let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
            match &self.values[name] {
                _ if self.secrets.has(&path) => map.serialize_entry(name, HIDDEN)?,
                values @ Value::Object(_) => {
                    map.serialize_entry(name, &Section { path, values, secrets: self.secrets })?
                }
                value => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}
