use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::{Credentials, RegistryError, RegistrySettings};

/// The media type of Confluent's API.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// An answer longer than this, in bytes, is not a schema.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Asks a registry, one request at a time.
pub(super) struct Http {
    agent: Agent,
    urls: Vec<String>,
    authorization: Option<String>,
}

impl fmt::Debug for Http {
    /// Without what shows who asks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Http").field(&self.urls).finish()
    }
}

/// What an answer with an error has in it.
#[derive(Deserialize)]
struct ErrorBody {
    message: String,
}

impl Http {
    pub(super) fn new(settings: &RegistrySettings) -> Result<Self, RegistryError> {
        let unusable = |message: String| RegistryError::Unusable(message);
        for url in &settings.urls {
            let known = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            if known.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
                return Err(unusable(format!(
                    "found {url:?} as the URL of a schema registry; it begins with http://HOST or https://HOST"
                )));
            }
        }
        let is_encrypted = settings.urls.iter().any(|url| url.starts_with("https:"));
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(settings.timeout))
            .user_agent("millstream");
        if is_encrypted {
            let roots = match &settings.authorities {
                Some(pem) => of_pem(pem).map_err(unusable)?,
                None => of_system().map_err(unusable)?,
            };
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
            config = config.tls_config(tls.root_certs(RootCerts::new_with_certs(&roots)).build());
        }
        let authorization = match &settings.credentials {
            Credentials::None => None,
            Credentials::Basic { user, password } => {
                Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
            }
            Credentials::Bearer(token) => Some(format!("Bearer {token}")),
        };
        Ok(Http { agent: config.build().new_agent(), urls: settings.urls.clone(), authorization })
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RegistryError> {
        self.ask("GET", path, None)
    }

    /// Posts `body` as JSON.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, RegistryError> {
        let body = serde_json::to_string(body).map_err(|error| RegistryError::Unusable(error.to_string()))?;
        self.ask("POST", path, Some(&body))
    }

    /// Asks one URL after the other until one answers.
    fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: Option<&str>) -> Result<T, RegistryError> {
        let mut away = Vec::new();
        for url in &self.urls {
            match self.ask_one(method, &format!("{url}{path}"), body) {
                Err(RegistryError::Away(message)) => away.push(message),
                answer => return answer,
            }
        }
        Err(RegistryError::Away(away.join("; ")))
    }

    fn ask_one<T: DeserializeOwned>(&self, method: &str, url: &str, body: Option<&str>) -> Result<T, RegistryError> {
        let request = ureq::http::Request::builder().method(method).uri(url).header("accept", MEDIA_TYPE);
        let request = match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        };
        let away = |error: &dyn std::fmt::Display| {
            RegistryError::Away(format!("the schema registry does not answer {method} {url}: {error}"))
        };
        let invalid = |error: ureq::http::Error| RegistryError::Unusable(format!("{method} {url}: {error}"));
        let sent = match body {
            Some(body) => {
                let request = request.header("content-type", MEDIA_TYPE).body(body).map_err(invalid)?;
                self.agent.run(request)
            }
            None => self.agent.run(request.body(()).map_err(invalid)?),
        };
        let mut response = sent.map_err(|error| away(&error))?;
        let status = response.status().as_u16();
        let text =
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(|error| away(&error))?;
        if response.status().is_success() {
            return serde_json::from_str(&text).map_err(|error| {
                let start: String = text.chars().take(80).collect();
                RegistryError::Unusable(format!(
                    "{method} {url} was answered by what no schema registry says: {error}; it begins with {start:?}. Is the \
                     URL that of Confluent's API (with Apicurio: http://HOST/apis/ccompat/v7)?"
                ))
            });
        }
        let reason = serde_json::from_str(&text).map_or_else(|_| text.clone(), |ErrorBody { message }| message);
        let message = format!("the schema registry answered {method} {url} with {status}: {reason}");
        Err(match status {
            401 | 403 => RegistryError::Denied(message),
            404 => RegistryError::NotFound(message),
            409 | 422 | 400 => RegistryError::Refused(message),
            408 | 425 | 429 | 500.. => RegistryError::Away(message),
            _ => RegistryError::Unusable(message),
        })
    }
}

fn of_pem(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item.map_err(|error| format!("the schema registry's authorities are not PEM: {error}"))? {
            PemItem::Certificate(certificate) => found.push(certificate),
            _ => return Err("the schema registry's authorities: found a key; only certificates are to be there".into()),
        }
    }
    match found.is_empty() {
        true => Err("the schema registry's authorities: found no certificate; one in PEM is to be there".into()),
        false => Ok(found),
    }
}

fn of_system() -> Result<Vec<Certificate<'static>>, String> {
    let loaded = rustls_native_certs::load_native_certs();
    match loaded.certs.is_empty() {
        true => Err(format!(
            "the system has no authorities that could vouch for the schema registry; name a file of them. {:?}",
            loaded.errors
        )),
        false => Ok(loaded.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()),
    }
}
