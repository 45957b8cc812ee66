use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use config::{Config, ConfigError, Map, Source, Value, ValueKind};

use super::check::{check, prune};
use super::keys::{KEYS, Kind, parts_of};
use super::secrets::Secrets;
use super::{Settings, SettingsError, file};

/// What environment variables of settings begin with.
const PREFIX: &str = "MILLSTREAM_";
/// After the prefix: variables of the tests (`MILLSTREAM_TEST_BROKER`), which a service that runs in one may see.
const NOT_SETTINGS: &str = "TEST_";

/// Where settings come from, the later over the earlier.
#[derive(Default)]
pub(crate) struct Sources {
    /// The service's name: what the application id is without any setting.
    pub(crate) service: String,
    /// The service's own settings, read when no file is given.
    pub(crate) built_in: Option<&'static str>,
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The process's environment; also what `${env:NAME}` reads.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// `--set`, each `KEY=VALUE`.
    pub(crate) set: Vec<String>,
    /// `--bootstrap-servers`.
    pub(crate) bootstrap_servers: Option<String>,
}

impl Sources {
    /// Reads all layers, and makes one of them.
    ///
    /// # Errors
    /// Whatever is wrong in any layer, not only the first.
    pub(crate) fn load(&self) -> Result<Settings, SettingsError> {
        let mut errors = Vec::new();
        let file = self.file_layer(&mut errors);
        self.merge(file, errors)
    }

    /// As [`Sources::load`], with this YAML in place of a file.
    pub(crate) fn load_text(&self, yaml: &str) -> Result<Settings, SettingsError> {
        let layer = file::read("text", yaml).map_err(|error| SettingsError(vec![error]))?;
        self.merge(Layer(layer), Vec::new())
    }

    fn merge(&self, file: Layer, mut errors: Vec<String>) -> Result<Settings, SettingsError> {
        let mut layers = vec![file, self.environment_layer(&mut errors), self.flags(&mut errors)];
        for layer in &mut layers {
            prune(&mut layer.0, "", &mut errors);
        }
        let mut secrets = Secrets::default();
        let merged = merged(layers).and_then(|mut values| {
            check(&mut values, &self.environment, &mut secrets, &mut errors);
            let defaults = Config::try_from(&Settings::defaults(&self.service))?;
            Config::builder().add_source(defaults).add_source(Layer(values)).build()?.try_deserialize::<Settings>()
        });
        if !errors.is_empty() {
            return Err(SettingsError(errors));
        }
        let settings = Settings { secrets, ..merged.map_err(|error| SettingsError(vec![error.to_string()]))? };
        settings.check_together()?;
        Ok(settings)
    }

    fn file_layer(&self, errors: &mut Vec<String>) -> Layer {
        let read = match (&self.file, self.built_in) {
            (Some(path), _) => {
                let name = path.display().to_string();
                std::fs::read_to_string(path)
                    .map_err(|error| format!("{name}: cannot be read: {error}"))
                    .and_then(|text| file::read(&name, &text))
            }
            (None, Some(text)) => file::read(&format!("{} (built in)", self.service), text),
            (None, None) => Ok(Map::new()),
        };
        Layer(read.unwrap_or_else(|error| {
            errors.push(error);
            Map::new()
        }))
    }

    /// `MILLSTREAM_HTTP__PORT` is `http.port`. An empty variable is as one that is not set.
    fn environment_layer(&self, errors: &mut Vec<String>) -> Layer {
        let mut layer = Layer::default();
        for (name, value) in &self.environment {
            let Some(path) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            if value.is_empty() || path.starts_with(NOT_SETTINGS) {
                continue;
            }
            let origin = format!("{PREFIX}{path}");
            match value.to_str() {
                Some(value) => layer.set(&path_of_variable(path), &origin, value),
                None => errors.push(format!("{origin}: found bytes that are no text; accepted: UTF-8")),
            }
        }
        layer
    }

    fn flags(&self, errors: &mut Vec<String>) -> Layer {
        let mut layer = Layer::default();
        for assignment in &self.set {
            match assignment.split_once('=') {
                Some((key, value)) => layer.set(key, &format!("--set {key}"), value),
                None => errors.push(format!("--set {assignment}: found no `=`; accepted: KEY=VALUE")),
            }
        }
        if let Some(servers) = &self.bootstrap_servers {
            layer.set("bootstrap_servers", "--bootstrap-servers", servers);
        }
        layer
    }
}

/// The key that a variable sets. Under a section of properties, whose names have dots and no variable can, a `_` is a dot:
/// `KAFKA__PROPERTIES__SECURITY_PROTOCOL` is `kafka.properties.security.protocol`.
fn path_of_variable(variable: &str) -> String {
    let path = variable.to_lowercase().replace("__", ".");
    let properties = KEYS.iter().filter(|(_, kind)| *kind == Kind::Properties).map(|(key, _)| *key);
    for section in properties {
        if let Some(name) = path.strip_prefix(section).filter(|rest| rest.starts_with('.')) {
            return format!("{section}{}", name.replace('_', "."));
        }
    }
    path
}

fn merged(layers: Vec<Layer>) -> Result<Map<String, Value>, ConfigError> {
    let builder = layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer));
    builder.build()?.collect()
}

/// Values by key, sections as tables.
#[derive(Clone, Default)]
struct Layer(Map<String, Value>);

impl Layer {
    fn set(&mut self, path: &str, origin: &str, value: &str) {
        let mut map = &mut self.0;
        let mut parts = parts_of(path);
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let section = map.entry(part.to_owned()).or_insert_with(|| table(origin));
            if !matches!(section.kind, ValueKind::Table(_)) {
                *section = table(origin);
            }
            let ValueKind::Table(inner) = &mut section.kind else { return };
            map = inner;
        }
        map.insert(last.to_owned(), Value::new(Some(&origin.to_owned()), value));
    }
}

fn table(origin: &str) -> Value {
    Value::new(Some(&origin.to_owned()), ValueKind::Table(Map::new()))
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Without the values: some are secret.
impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layer").field(&self.0.keys()).finish()
    }
}
