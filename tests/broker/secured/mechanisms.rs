//! A topology runs exactly once by each mechanism.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream::broker::Broker;
use millstream::worker::Guarantee;
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_tests::running::Running;

use super::{Secure, secure, token, words};
use crate::support::{options, unique};

/// Counts, stops, and counts on from the changelog, for as long as that.
fn runs(secure: &Secure, id: &str, settings: &KafkaSettings, time: Duration) {
    secure.grant("app", &["All"], &["--topic", "--group", "--transactional-id"], id);
    secure.prepare(id, 100);
    let started = Instant::now();
    let mut total = 100;
    for _ in 0..2 {
        let broker = Arc::new(KafkaBroker::new(settings.clone()).unwrap());
        broker.wait_until_up(Duration::from_secs(60), &mut |_| {}).unwrap();
        let running = Running::start(options(id, 0, 1, Guarantee::ExactlyOnce), words(id), broker.clone()).unwrap();
        secure.await_counted(id, total);
        while started.elapsed() < time {
            std::thread::sleep(Duration::from_millis(500));
            secure.write(id, 10);
            total += 10;
            secure.await_counted(id, total);
        }
        broker.describe(&[&format!("{id}-counts-changelog")]).unwrap();
        running.stop().unwrap();
        secure.write(id, 100);
        total += 100;
    }
}

#[test]
fn plain() {
    let Some(secure) = secure() else { return };
    let id = unique("plain");
    runs(secure, &id, &secure.as_user(&id, "PLAIN", "app", "app-secret"), Duration::ZERO);
}

#[test]
fn scram() {
    let Some(secure) = secure() else { return };
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let id = unique("scram");
        runs(secure, &id, &secure.as_user(&id, mechanism, "app", "app-secret"), Duration::ZERO);
    }
}

#[test]
fn oauthbearer_with_unsecured_tokens() {
    let Some(secure) = secure() else { return };
    let id = unique("unsecured");
    let mut settings = secure.settings(&id);
    for (name, value) in [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        // Shorter than the test: every client must make itself a new one.
        ("sasl.oauthbearer.config", "principal=app lifeSeconds=6"),
    ] {
        settings.properties.insert(name.to_owned(), value.to_owned());
    }
    runs(secure, &id, &settings, Duration::from_secs(10));
}

#[test]
fn oauthbearer_with_tokens_of_a_file_that_is_renewed() {
    let Some(secure) = secure() else { return };
    let id = unique("tokens");
    let file = secure.file(&id);
    let mut settings = secure.settings(&id);
    settings.properties.insert("sasl.mechanism".to_owned(), "OAUTHBEARER".to_owned());
    settings.oauthbearer_token_file = Some(file.clone());
    let renew = move || {
        // As Kubernetes does: the file changes at once.
        let next = file.with_extension("next");
        std::fs::write(&next, token("app", 6_000)).unwrap();
        std::fs::rename(&next, &file).unwrap();
    };
    renew();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_secs(1));
                renew();
            }
        });
        let ran = std::panic::catch_unwind(|| runs(secure, &id, &settings, Duration::from_secs(10)));
        done.store(true, Ordering::Relaxed);
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}
