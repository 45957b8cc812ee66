//! Formats of values, and the schema registry behind them.

use std::time::Duration;

use millstream_formats::registry::{Credentials, Registry, RegistrySettings};
use millstream_formats::{Chosen, Format};

use super::{Settings, SettingsError};

impl Settings {
    pub(super) fn check_formats(&self) -> Result<(), SettingsError> {
        let mut errors = Vec::new();
        let formats = &self.formats;
        for (name, format) in &formats.values {
            if format_of(format).is_none() {
                errors.push(format!("formats.values.{name}: found `{format}`; accepted: json or avro"));
            }
        }
        let is_avro = formats.default == "avro" || formats.values.values().any(|format| format == "avro");
        let registry = &self.registry;
        if is_avro && registry.url.is_none() {
            errors
                .push("registry.url: not set; accepted with formats of avro: the URL of a schema registry".to_owned());
        }
        if registry.user.is_some() != registry.password.is_some() {
            errors.push("registry.user, registry.password: one is set; accepted: both, or neither".to_owned());
        }
        if registry.user.is_some() && registry.token.is_some() {
            errors.push("registry.user, registry.token: both are set; accepted: a user, or a token".to_owned());
        }
        if errors.is_empty() { Ok(()) } else { Err(SettingsError(errors)) }
    }

    /// What is to be said to the program's [`Formats`](millstream_formats::Formats).
    pub(crate) fn formats(&self) -> Result<Chosen, SettingsError> {
        let named = self.formats.values.iter().filter_map(|(name, format)| Some((name.clone(), format_of(format)?)));
        let registry = self.registry().map_err(|error| SettingsError(vec![error]))?;
        Ok(Chosen {
            application_id: self.application_id.clone(),
            registry,
            default: format_of(&self.formats.default).unwrap_or_default(),
            named: named.collect(),
        })
    }

    fn registry(&self) -> Result<Option<Registry>, String> {
        let of = &self.registry;
        let Some(url) = &of.url else { return Ok(None) };
        let credentials = match (&of.user, &of.password, &of.token) {
            (Some(user), Some(password), _) => Credentials::Basic { user: user.clone(), password: password.clone() },
            (_, _, Some(token)) => Credentials::Bearer(token.clone()),
            _ => Credentials::None,
        };
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path).map_err(|error| format!("registry.ca: {} cannot be read: {error}", path.display()))
        };
        let settings = RegistrySettings {
            credentials,
            authorities: of.ca.as_ref().map(read).transpose()?,
            auto_register: of.auto_register,
            timeout: Duration::from_millis(of.timeout_ms),
            ..RegistrySettings::new(url)
        };
        Registry::new(&settings).map(Some).map_err(|error| format!("registry: {error}"))
    }
}

fn format_of(word: &str) -> Option<Format> {
    match word {
        "json" => Some(Format::Json),
        "avro" => Some(Format::Avro),
        _ => None,
    }
}
