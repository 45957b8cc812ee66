use std::ffi::OsString;

use config::{Map, Value, ValueKind};
use millstream::worker::Guarantee;

use super::keys::{Kind, kind_of, names_in, nearest};
use super::secrets::{Resolved, Secrets, is_secret_name, resolve};
use super::{Settings, SettingsError};
use crate::memory::bytes_of;

/// How long a transaction may last before the broker ends it, unless the producer's properties say otherwise.
const TRANSACTION_TIMEOUT_MS: i64 = 10_000;

/// Takes out of one layer what cannot be: unknown keys, values where sections must be, and the other way round.
pub(super) fn prune(map: &mut Map<String, Value>, section: &str, errors: &mut Vec<String>) {
    let mut names: Vec<String> = map.keys().cloned().collect();
    names.sort();
    for name in names {
        let Some(value) = map.get_mut(&name) else { continue };
        let path = joined(section, &name);
        let at = origin(value);
        // A key with dots would be taken for a path when the layers are merged.
        let kind = kind_of(&path).filter(|_| !name.contains('.'));
        let is_section = !names_in(&path).is_empty() && !name.contains('.');
        let found = match value.kind {
            ValueKind::Table(_) => "a section",
            ValueKind::Array(_) => "a list",
            _ => "a single value",
        };
        let error = match (kind, &mut value.kind) {
            (Some(Kind::Properties), ValueKind::Table(properties)) => {
                properties.retain(|name, value| is_scalar(value, &path, name, errors));
                continue;
            }
            (Some(Kind::Properties), _) => {
                format!("{at}: {path}: found {found}; accepted: a section of `property: value` lines")
            }
            (Some(kind), ValueKind::Table(_) | ValueKind::Array(_)) => {
                format!("{at}: {path}: found {found}; accepted: {}", kind.accepted())
            }
            (Some(_), _) => continue,
            (None, ValueKind::Table(inner)) if is_section => {
                prune(inner, &path, errors);
                continue;
            }
            (None, _) if is_section => {
                format!("{at}: {path}: found {found}; accepted: a section with {}", names_in(&path).join(", "))
            }
            (None, _) => unknown(&at, section, &name),
        };
        errors.push(error);
        map.remove(&name);
    }
}

fn unknown(at: &str, section: &str, name: &str) -> String {
    let names = names_in(section);
    let path = joined(section, name);
    let hint = match nearest(name, &names) {
        _ if kind_of(&path).is_some() => ". Write it as a section with a key in it.".to_owned(),
        Some(near) => format!("; did you mean `{near}`?"),
        None => ".".to_owned(),
    };
    let place = if section.is_empty() { "at the top".to_owned() } else { format!("in {section}") };
    format!("{at}: {path}: unknown key{hint} Accepted {place}: {}", names.join(", "))
}

fn is_scalar(value: &Value, section: &str, name: &str, errors: &mut Vec<String>) -> bool {
    let found = match value.kind {
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
        _ => return true,
    };
    let at = origin(value);
    errors.push(format!(
        "{at}: {section}.{name}: found {found}; accepted: a single value, with the property's name and its dots as the key"
    ));
    false
}

/// Resolves references and checks each value against its key. Values are left as what they are to be: numbers given as
/// text become numbers.
pub(super) fn check(
    values: &mut Map<String, Value>,
    environment: &[(OsString, OsString)],
    secrets: &mut Secrets,
    errors: &mut Vec<String>,
) {
    check_section(values, "", &mut |path, kind, value| {
        let found = text_of(value);
        let resolved = resolve(&found, environment).map_err(|error| format!("{}: {path}: {error}", origin(value)))?;
        let Resolved { text, has_reference } = resolved;
        if has_reference || (*kind == Kind::Text && is_secret_name(path)) {
            secrets.add(path, &text);
        }
        // The text as it was written: of a reference, never what it refers to.
        let parsed = parsed(kind, &text).ok_or_else(|| {
            let found =
                if matches!(kind, Kind::Text | Kind::Path) { "an empty text".to_owned() } else { format!("`{found}`") };
            format!("{}: {path}: found {found}; accepted: {}", origin(value), kind.accepted())
        })?;
        *value = Value::new(value.origin().map(str::to_owned).as_ref(), parsed);
        Ok(())
    })
    .into_iter()
    .for_each(|error| errors.push(error));
}

type CheckOne<'a> = dyn FnMut(&str, &Kind, &mut Value) -> Result<(), String> + 'a;

fn check_section(map: &mut Map<String, Value>, section: &str, one: &mut CheckOne<'_>) -> Vec<String> {
    let mut errors = Vec::new();
    let mut names: Vec<String> = map.keys().cloned().collect();
    names.sort();
    for name in names {
        let Some(value) = map.get_mut(&name) else { continue };
        let path = joined(section, &name);
        match (kind_of(section), kind_of(&path), &mut value.kind) {
            (Some(Kind::Properties), _, _) => errors.extend(one(&path, &Kind::Text, value).err()),
            (_, _, ValueKind::Table(inner)) => errors.extend(check_section(inner, &path, one)),
            (_, Some(kind), _) => errors.extend(one(&path, kind, value).err()),
            (_, None, _) => {}
        }
    }
    errors
}

fn text_of(value: &Value) -> String {
    value.clone().into_string().unwrap_or_default()
}

fn parsed(kind: &Kind, text: &str) -> Option<ValueKind> {
    match kind {
        Kind::Text | Kind::Path => (!text.is_empty()).then(|| text.into()),
        Kind::Whole(range) => {
            text.trim().parse::<i64>().ok().filter(|number| range.contains(number)).map(ValueKind::from)
        }
        Kind::Bytes => (text == "none" || bytes_of(text).is_some()).then(|| text.into()),
        Kind::Flag => text.trim().parse::<bool>().ok().map(ValueKind::from),
        Kind::Choice(words) => words.contains(&text).then(|| text.into()),
        Kind::LogFilter => is_log_filter(text).then(|| text.into()),
        Kind::Properties => None,
    }
}

/// A level, or a level for a module, several of them separated by commas. The filter itself would take a misspelt level
/// for the name of a module.
fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').all(|part| {
        let level = part.split_once('=').map_or(part, |(_, level)| level);
        LEVELS.contains(&level)
    }) && text.parse::<tracing_subscriber::EnvFilter>().is_ok()
}

fn joined(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn origin(value: &Value) -> String {
    value.origin().unwrap_or("defaults").to_owned()
}

impl Settings {
    /// What is wrong only together with another setting.
    pub(super) fn check_together(&self) -> Result<(), SettingsError> {
        let name = "transaction.timeout.ms";
        let timeout = self.kafka.producer.get(name).or_else(|| self.kafka.properties.get(name));
        let timeout = timeout.and_then(|text| text.parse().ok()).unwrap_or(TRANSACTION_TIMEOUT_MS);
        if self.guarantee == Guarantee::ExactlyOnce && self.commit_interval_ms >= timeout {
            return Err(SettingsError(vec![format!(
                "commit_interval_ms: found {}; accepted with guarantee exactly_once: less than the {timeout} ms after which \
                 the broker ends a transaction (kafka.producer: {name})",
                self.commit_interval_ms
            )]));
        }
        self.check_formats()?;
        let tls = &self.http.tls;
        let missing = match (&tls.certificate, &tls.key, &tls.client_ca) {
            (Some(_), None, _) => Some(("http.tls.key", "http.tls.certificate")),
            (None, Some(_), _) => Some(("http.tls.certificate", "http.tls.key")),
            (None, None, Some(_)) => Some(("http.tls.certificate", "http.tls.client_ca")),
            _ => None,
        };
        if let Some((missing, set)) = missing {
            return Err(SettingsError(vec![format!(
                "{missing}: not set; accepted with {set}: the path of a PEM file"
            )]));
        }
        Ok(())
    }
}
