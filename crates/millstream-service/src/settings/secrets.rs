use std::collections::BTreeSet;
use std::ffi::OsString;

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Words in the name of a property whose value is a secret.
const SECRET_WORDS: [&str; 6] = ["password", "secret", "key", "token", "sasl.jaas", "sasl.oauthbearer.config"];

/// What a `${` may begin.
const REFERENCES: &str = "${env:NAME}, ${file:PATH}, and $${ for a literal ${";

/// Values shorter than this are not looked for in messages: they would be found everywhere.
const SEARCHED_LENGTH: usize = 4;

/// Which settings are secret, and what their values are, so that these can be kept out of messages.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Secrets {
    paths: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Secrets {
    pub(super) fn add(&mut self, path: &str, value: &str) {
        self.paths.insert(path.to_owned());
        self.values.insert(value.to_owned());
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// The message without any secret in it.
    pub(crate) fn hide(&self, message: &str) -> String {
        let searched = self.values.iter().filter(|value| value.len() >= SEARCHED_LENGTH);
        searched.fold(message.to_owned(), |message, value| message.replace(value, HIDDEN))
    }
}

/// Whether the last part of a key says that its value is a secret.
pub(super) fn is_secret_name(path: &str) -> bool {
    let path = path.to_lowercase();
    SECRET_WORDS.iter().any(|word| path.contains(word))
}

/// A text with what its references refer to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) text: String,
    /// Whether there was any reference.
    pub(super) has_reference: bool,
}

/// Puts what they refer to in place of `${env:NAME}` and `${file:PATH}`; `$${` is a literal `${`.
pub(super) fn resolve(text: &str, environment: &[(OsString, OsString)]) -> Result<Resolved, String> {
    let (mut out, mut rest, mut has_reference) = (String::new(), text, false);
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            return Err(format!("found `${{` without `}}`; accepted: {REFERENCES}"));
        };
        out.push_str(&referred(&rest[at + 2..at + end], environment)?);
        has_reference = true;
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(Resolved { text: out, has_reference })
}

fn referred(reference: &str, environment: &[(OsString, OsString)]) -> Result<String, String> {
    if let Some(name) = reference.strip_prefix("env:") {
        let value = environment.iter().find(|(variable, _)| variable == name).and_then(|(_, value)| value.to_str());
        return value
            .map(str::to_owned)
            .ok_or_else(|| format!("${{{reference}}}: the environment variable {name} is not set; set it, as UTF-8"));
    }
    if let Some(path) = reference.strip_prefix("file:") {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("${{{reference}}}: the file {path} cannot be read: {error}"))?;
        // Editors and `kubectl create secret --from-file` leave an end of line.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        return Ok(text.strip_suffix('\r').unwrap_or(text).to_owned());
    }
    Err(format!("found `${{{reference}}}`; accepted: {REFERENCES}"))
}
