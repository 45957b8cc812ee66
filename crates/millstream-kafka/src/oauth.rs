//! Tokens for SASL OAUTHBEARER.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::client::OAuthToken;
use serde_json::{Value, json};

/// Files longer than this hold no token.
const LONGEST: u64 = 1 << 20;

/// How long an unsecured token is good, unless its configuration says otherwise: as librdkafka has it.
const UNSECURED_SECONDS: i64 = 3600;

/// Where the clients' tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// No client needs one.
    None,
    /// A file that something outside of the process renews. It is read each time that a token is needed.
    File(PathBuf),
    /// Tokens that nobody has signed, for tests of a cluster: `enable.sasl.oauthbearer.unsecure.jwt`, with
    /// `sasl.oauthbearer.config`.
    Unsecured(String),
}

impl Tokens {
    /// A token that is good at `now` (ms since 1970). The error says why there is none, without the token.
    pub(crate) fn token(&self, now: i64) -> Result<OAuthToken, String> {
        match self {
            Tokens::None => {
                Err("no OAUTHBEARER token: set kafka.oauthbearer.token_file to the file that has one".into())
            }
            Tokens::File(path) => read(path).and_then(|token| {
                let at = || format!("the OAUTHBEARER token in {} (kafka.oauthbearer.token_file)", path.display());
                let token = parsed(token).map_err(|error| format!("{} {error}", at()))?;
                match token.lifetime_ms > now {
                    true => Ok(token),
                    false => {
                        Err(format!("{} expired {} s ago: nothing renews it", at(), (now - token.lifetime_ms) / 1000))
                    }
                }
            }),
            Tokens::Unsecured(config) => Ok(unsecured(config, now)),
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let refused = |error: &dyn std::fmt::Display| {
        format!("the file {} (kafka.oauthbearer.token_file) cannot be read: {error}", path.display())
    };
    let size = std::fs::metadata(path).map_err(|error| refused(&error))?.len();
    if size > LONGEST {
        return Err(refused(&format!("it has {size} bytes, and no token is that long")));
    }
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(|error| refused(&error))
}

/// A JSON Web Token, with the end of its life and its principal. Whether it is genuine is for the broker to say.
fn parsed(token: String) -> Result<OAuthToken, &'static str> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("is no JSON Web Token: that has three parts, with dots between them");
    };
    let payload =
        URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| "has a payload that is no base64")?;
    let claims: Value = serde_json::from_slice(&payload).map_err(|_| "has a payload that is no JSON")?;
    let subject = claims["sub"].as_str().filter(|subject| !subject.is_empty());
    let principal_name = subject.ok_or("has no `sub`, the principal, in its payload")?.to_owned();
    let expires = claims["exp"].as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
    let lifetime_ms = (expires.ok_or("has no `exp`, the end of its life in seconds, in its payload")? * 1000.0) as i64;
    if principal_name.contains('\0') || token.contains('\0') {
        return Err("has a zero byte in it");
    }
    Ok(OAuthToken { token, principal_name, lifetime_ms })
}

/// For the fuzz tests: reads any bytes as a token.
pub fn fuzz_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(token) = parsed(text.to_owned()) {
        assert!(token.lifetime_ms >= 0 && !token.principal_name.is_empty());
    }
    assert!(unsecured(text, i64::MAX).lifetime_ms > 0);
}

/// As librdkafka makes them, of `principal=… lifeSeconds=…`.
fn unsecured(config: &str, now: i64) -> OAuthToken {
    let value = |name: &str| config.split_whitespace().find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let principal_name = value("principal").unwrap_or_default().to_owned();
    let seconds = value("lifeSeconds").and_then(|text| text.parse().ok()).unwrap_or(UNSECURED_SECONDS);
    let (issued, expires) = (now / 1000, (now / 1000).saturating_add(seconds));
    let payload = json!({ "sub": principal_name, "iat": issued, "exp": expires }).to_string();
    let token = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(payload));
    OAuthToken { token, principal_name, lifetime_ms: expires.saturating_mul(1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn refused(tokens: &Tokens, now: i64) -> String {
        tokens.token(now).err().unwrap()
    }

    #[test]
    fn a_file_is_read_again_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tokens = Tokens::File(file.path().to_owned());
        for (subject, seconds) in [("a", 2), ("b", 3)] {
            let text = jwt(&json!({ "sub": subject, "exp": seconds }).to_string());
            std::fs::write(file.path(), format!("{text}\n")).unwrap();
            let token = tokens.token(1_999).unwrap();
            assert_eq!((token.token, token.principal_name, token.lifetime_ms), (text, subject.into(), seconds * 1000));
        }
        let error = refused(&tokens, 5_000);
        assert!(error.contains("expired 2 s ago") && error.contains("kafka.oauthbearer.token_file"), "{error}");
    }

    #[test]
    fn what_is_no_token_is_told_without_its_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tokens = Tokens::File(file.path().to_owned());
        for (text, expected) in [
            (String::new(), "is no JSON Web Token"),
            ("hunter2.x".to_owned(), "is no JSON Web Token"),
            ("a.hunter2*.c".to_owned(), "no base64"),
            (jwt("hunter2"), "no JSON"),
            (jwt("[]"), "no `sub`"),
            (jwt(r#"{"sub":"hunter2"}"#), "no `exp`"),
            (jwt(r#"{"sub":"hunter2","exp":1e300}"#), "no `exp`"),
            (jwt(r#"{"sub":"hunter2","exp":"1"}"#), "no `exp`"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = refused(&tokens, 0);
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        let error = refused(&Tokens::File("/no/such".into()), 0);
        assert!(
            error.starts_with("the file /no/such (kafka.oauthbearer.token_file) cannot be read: No such"),
            "{error}"
        );
    }

    #[test]
    fn unsecured_tokens_are_tokens() {
        let token = Tokens::Unsecured("principal=me lifeSeconds=60".into()).token(10_500).unwrap();
        assert_eq!((token.principal_name.as_str(), token.lifetime_ms), ("me", 70_000));
        let again = parsed(token.token).unwrap();
        assert_eq!((again.principal_name.as_str(), again.lifetime_ms), ("me", 70_000));
    }
}
