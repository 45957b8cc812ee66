//! Connections that are refused for reasons that waiting does not change: certificates, passwords, protocols.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;

use crate::context::{ConsumerReports, KafkaConsumer};
use crate::settings::KafkaSettings;

/// How long the question may take whether a certificate fails by its name alone.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// A broker that keeps a connection for longer knows who is there.
const HUNG_UP_MS: u64 = 2_000;

/// Why connections are refused, by what librdkafka says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The broker's certificate.
    Certificate,
    /// The client's certificate, or that there is none.
    ClientCertificate,
    /// The user name and password, or the token.
    Credentials,
    /// The mechanism.
    Mechanism,
    /// There is no token to show.
    Token,
    /// The client speaks plain text, and the broker TLS.
    NeedsTls,
    /// The client speaks TLS, and the broker plain text.
    NeedsPlain,
    /// The client does not say who it is, and the broker wants to know.
    NeedsSasl,
}

impl Refusal {
    /// How long a connection is tried that is refused for this.
    pub(crate) fn patience(self) -> Duration {
        match self {
            // A broker that goes down hangs up, too.
            Refusal::NeedsTls | Refusal::NeedsSasl => Duration::from_secs(5),
            _ => Duration::from_secs(2),
        }
    }

    /// Whether it is what it looks like. What hangs up on plain text may be a proxy before brokers that start.
    pub(crate) fn is_certain(self, bootstrap_servers: &str) -> bool {
        self != Refusal::NeedsTls || bootstrap_servers.split(',').any(|server| speaks_tls(server.trim()))
    }
}

/// What a client of TLS 1.2 says first.
fn client_hello() -> Vec<u8> {
    // No session, two ciphers, no compression; a kind of curve (secp256r1), and of signatures (ECDSA, RSA).
    let ciphers = [0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0];
    let extensions = [0, 20, 0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 8, 4];
    let body = [&[3, 3][..], &[7; 32], &ciphers, &extensions].concat();
    let length = body.len() as u8;
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

/// Whether what listens there answers TLS with TLS.
fn speaks_tls(server: &str) -> bool {
    let mut found = server.to_socket_addrs().into_iter().flatten();
    found.any(|address| {
        let answer = TcpStream::connect_timeout(&address, PROBE_LIMIT).and_then(|mut stream| {
            stream.set_read_timeout(Some(PROBE_LIMIT))?;
            stream.write_all(&client_hello())?;
            let mut first = [0; 2];
            stream.read_exact(&mut first).map(|()| first)
        });
        tracing::debug!(target: "librdkafka", "a first word of TLS to {address} was answered by {answer:?}");
        // An alert or a handshake, of whatever version.
        matches!(answer, Ok([0x15 | 0x16, 3]))
    })
}

/// What an error that librdkafka reported is a refusal for, if it is one.
pub(crate) fn refusal(reason: &str) -> Option<Refusal> {
    let has = |text: &str| reason.contains(text);
    if has("Failed to acquire SASL OAUTHBEARER token") {
        Some(Refusal::Token)
    } else if has("mechanism handshake failed") {
        Some(Refusal::Mechanism)
    } else if has("SASL authentication error") || has("authentication failed") || has("Authentication failed") {
        Some(Refusal::Credentials)
    } else if has("certificate verify failed") || has("could not be verified") {
        Some(Refusal::Certificate)
    } else if has("wrong version number") || has("packet length too long") || has("connecting to a PLAINTEXT") {
        Some(Refusal::NeedsPlain)
    } else if has("SSL handshake failed") || has("certificate required") || has("bad certificate") {
        Some(Refusal::ClientCertificate)
    } else if has("Disconnected") && has("in state APIVERSION_QUERY") {
        Some(Refusal::NeedsTls)
    } else if has("Disconnected") && !has("sasl_") && is_hung_up_on(reason) {
        Some(Refusal::NeedsSasl)
    } else {
        None
    }
}

/// `… (after 8ms in state UP)`: the broker has answered one question and hung up at the next.
fn is_hung_up_on(reason: &str) -> bool {
    let after = reason.split("(after ").nth(1).and_then(|rest| rest.split_once("ms in state UP"));
    after.and_then(|(ms, _)| ms.parse::<u64>().ok()).is_some_and(|ms| ms < HUNG_UP_MS)
}

/// What to do about it, with the properties' names.
pub(crate) fn explained(refusal: Refusal, settings: &KafkaSettings) -> String {
    let config = settings.metadata();
    let value = |name: &str| config.get(name).unwrap_or("not set").to_owned();
    let mechanism = value("sasl.mechanism");
    match refusal {
        Refusal::Certificate if is_for_another_name(settings.metadata()) => format!(
            "the broker's certificate is good, but for another host name than the one in bootstrap_servers ({}): use a \
             name that the certificate has, or let the broker have one for this name",
            settings.bootstrap_servers
        ),
        Refusal::Certificate => {
            let place = match settings.metadata().get("ssl.ca.location") {
                Some(path) => format!("in ssl.ca.location ({path})"),
                None => "of this system (ssl.ca.location is not set)".to_owned(),
            };
            format!(
                "the broker's certificate is not signed by any certificate authority {place}, or it is out of date: set \
                 ssl.ca.location to the file with the authority's certificate"
            )
        }
        Refusal::ClientCertificate => format!(
            "the TLS handshake failed: the broker may demand a certificate of its clients (ssl.certificate.location is {}, \
             ssl.key.location is {}), or accept other versions of TLS only",
            value("ssl.certificate.location"),
            value("ssl.key.location")
        ),
        Refusal::Credentials if mechanism == "OAUTHBEARER" => format!(
            "the broker does not accept the token ({}): its issuer, audience and principal must be those that the broker \
             expects",
            match &settings.oauthbearer_token_file {
                Some(path) => format!("kafka.oauthbearer.token_file is {}", path.display()),
                None => "sasl.oauthbearer.config".to_owned(),
            }
        ),
        Refusal::Credentials => format!(
            "the broker knows no such user with that password for sasl.mechanism {mechanism}: correct sasl.username ({}) \
             or sasl.password",
            value("sasl.username")
        ),
        Refusal::Mechanism => {
            format!("the broker does not offer this mechanism: set sasl.mechanism ({mechanism}) to one that it does")
        }
        Refusal::Token => "without a token the broker lets nobody in".to_owned(),
        Refusal::NeedsTls => format!(
            "the broker hangs up on plain text, as one does that expects TLS: set security.protocol ({}) to SSL or SASL_SSL",
            value("security.protocol")
        ),
        Refusal::NeedsPlain => format!(
            "the broker does not speak TLS at this port: correct security.protocol ({}), or the port in bootstrap_servers",
            value("security.protocol")
        ),
        Refusal::NeedsSasl => format!(
            "the broker hangs up, as one does that wants to know who is there: set security.protocol ({}) to SASL_SSL or \
             SASL_PLAINTEXT",
            value("security.protocol")
        ),
    }
}

/// Whether a certificate is refused for its name alone, which librdkafka does not tell. Asked by a client that does not
/// look at the name and shows no credentials.
fn is_for_another_name(mut config: ClientConfig) -> bool {
    if config.get("ssl.endpoint.identification.algorithm") == Some("none") {
        return false;
    }
    let credentials =
        ["sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password", "sasl.oauthbearer.config"];
    for name in credentials.into_iter().chain(["enable.sasl.oauthbearer.unsecure.jwt", "sasl.oauthbearer.method"]) {
        config.remove(name);
    }
    config.set("security.protocol", "SSL").set("ssl.endpoint.identification.algorithm", "none");
    let Ok(probe): Result<KafkaConsumer, _> = config.create_with_context(ConsumerReports::probe()) else {
        return false;
    };
    let end = Instant::now() + PROBE_LIMIT;
    while Instant::now() < end {
        if probe.fetch_metadata(None, Duration::from_millis(100)).is_ok() {
            return true;
        }
        probe.poll(Duration::ZERO);
        match probe.context().last_error() {
            last if last.is_empty() => {}
            last => return refusal(&last) != Some(Refusal::Certificate),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_no_refusal() {
        for reason in [
            "127.0.0.1:1: Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            "1/1 brokers are down",
            "",
            "ssl://b:1/bootstrap: Disconnected: SSL connection closed by peer (after 60008ms in state UP)",
            "sasl_ssl://b:1/bootstrap: Disconnected: SSL connection closed by peer (after 8ms in state UP)",
        ] {
            assert_eq!(refusal(reason), None, "{reason}");
        }
        let hung_up = "ssl://b:1/bootstrap: Disconnected: SSL connection closed by peer (after 8ms in state UP)";
        assert_eq!(refusal(hung_up), Some(Refusal::NeedsSasl));
    }

    #[test]
    fn a_refusal_names_the_setting_and_no_secret() {
        let mut settings = KafkaSettings::new("b:1", "app");
        for (name, value) in [("sasl.username", "me"), ("sasl.password", "hunter2"), ("sasl.mechanism", "PLAIN")] {
            settings.properties.insert(name.into(), value.into());
        }
        settings.properties.insert("security.protocol".into(), "SASL_PLAINTEXT".into());
        for (refusal, names) in [
            (Refusal::ClientCertificate, "ssl.certificate.location"),
            (Refusal::Credentials, "sasl.username (me) or sasl.password"),
            (Refusal::Mechanism, "sasl.mechanism (PLAIN)"),
            (Refusal::NeedsTls, "security.protocol (SASL_PLAINTEXT)"),
            (Refusal::NeedsPlain, "security.protocol (SASL_PLAINTEXT)"),
            (Refusal::NeedsSasl, "security.protocol (SASL_PLAINTEXT)"),
        ] {
            let text = explained(refusal, &settings);
            assert!(text.contains(names) && !text.contains("hunter2"), "{text}");
        }
    }
}
