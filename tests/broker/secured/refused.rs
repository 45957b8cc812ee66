//! Who is not let in is told why, and soon.

use std::time::{Duration, Instant};

use millstream_kafka::{KafkaBroker, KafkaSettings};

use super::{secure, token};

/// What a start says that may wait for a broker for a minute.
fn refusal(settings: KafkaSettings) -> String {
    let started = Instant::now();
    let broker = KafkaBroker::new(settings).unwrap();
    let error = broker.wait_until_up(Duration::from_secs(60), &mut |_| {}).unwrap_err().to_string();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}: {error}", started.elapsed());
    error
}

fn set(settings: &mut KafkaSettings, name: &str, value: &str) {
    settings.properties.insert(name.to_owned(), value.to_owned());
}

#[test]
fn a_wrong_password() {
    let Some(secure) = secure() else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for (user, password) in [("app", "hunter2"), ("nobody", "app-secret")] {
            let error = refusal(secure.as_user("refused", mechanism, user, password));
            let expected = format!("for sasl.mechanism {mechanism}: correct sasl.username ({user}) or sasl.password");
            assert!(error.contains(&expected) && !error.contains(password), "{error}");
        }
    }
}

#[test]
fn a_mechanism_that_the_broker_does_not_offer() {
    let Some(secure) = secure() else { return };
    let mut settings = secure.as_user("refused", "PLAIN", "app", "app-secret");
    set(&mut settings, "security.protocol", "SASL_PLAINTEXT");
    settings.bootstrap_servers = secure.kafka.bootstrap_servers().to_owned();
    let error = refusal(settings);
    assert!(error.contains("security.protocol") || error.contains("sasl.mechanism"), "{error}");
}

#[test]
fn an_authority_that_is_not_trusted() {
    let Some(secure) = secure() else { return };
    let mut settings = secure.as_user("refused", "PLAIN", "app", "app-secret");
    set(&mut settings, "ssl.ca.location", secure.file("other-ca.pem").to_str().unwrap());
    let error = refusal(settings);
    assert!(error.contains("not signed by any certificate authority in ssl.ca.location ("), "{error}");
    assert!(error.contains("other-ca.pem)"), "{error}");
}

#[test]
fn a_certificate_for_another_name() {
    let Some(secure) = secure() else { return };
    let mut settings = secure.as_user("refused", "PLAIN", "app", "app-secret");
    settings.bootstrap_servers = settings.bootstrap_servers.replace("localhost", "127.0.0.1");
    let error = refusal(settings);
    assert!(error.contains("for another host name than the one in bootstrap_servers (127.0.0.1:"), "{error}");
}

#[test]
fn plain_text_where_the_broker_speaks_tls() {
    let Some(secure) = secure() else { return };
    for protocol in ["PLAINTEXT", "SASL_PLAINTEXT"] {
        let mut settings = secure.as_user("refused", "PLAIN", "app", "app-secret");
        set(&mut settings, "security.protocol", protocol);
        let error = refusal(settings);
        assert!(error.contains(&format!("set security.protocol ({protocol}) to SSL or SASL_SSL")), "{error}");
    }
}

#[test]
fn tls_where_the_broker_speaks_plain_text() {
    let Some(secure) = secure() else { return };
    let mut settings = secure.as_user("refused", "PLAIN", "app", "app-secret");
    settings.bootstrap_servers = secure.kafka.bootstrap_servers().to_owned();
    let error = refusal(settings);
    assert!(error.contains("does not speak TLS at this port: correct security.protocol (SASL_SSL)"), "{error}");
}

#[test]
fn tls_alone_where_the_broker_wants_to_know_who_is_there() {
    let Some(secure) = secure() else { return };
    let mut settings = secure.settings("refused");
    set(&mut settings, "security.protocol", "SSL");
    let error = refusal(settings);
    assert!(error.contains("set security.protocol (SSL) to SASL_SSL"), "{error}");
}

#[test]
fn a_token_that_is_not_there_or_too_old() {
    let Some(secure) = secure() else { return };
    let mut settings = secure.settings("refused");
    set(&mut settings, "sasl.mechanism", "OAUTHBEARER");
    settings.oauthbearer_token_file = Some("/no/such".into());
    let error = refusal(settings.clone());
    assert!(error.contains("the file /no/such (kafka.oauthbearer.token_file) cannot be read"), "{error}");
    let old = secure.file("old-token");
    std::fs::write(&old, token("app", -5_000)).unwrap();
    settings.oauthbearer_token_file = Some(old);
    let error = refusal(settings);
    assert!(error.contains("(kafka.oauthbearer.token_file) expired"), "{error}");
}
