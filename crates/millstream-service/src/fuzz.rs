//! Entry points of the fuzz tests: any bytes as settings, and as a client's requests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::health::Health;
use crate::http::{Access, Shown, answer_client, router};
use crate::metrics::Metrics;
use crate::settings::{Settings, Sources};
use crate::stop::Stop;

/// Settings in YAML, and by variables and flags. What is read can be printed, and read again.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (yaml, set) = text.split_once('\0').unwrap_or((text, ""));
    let sources = Sources {
        service: "fuzz".to_owned(),
        environment: vec![("MILLSTREAM_HTTP__PORT".into(), set.into()), ("X".into(), set.into())],
        set: set.lines().map(str::to_owned).collect(),
        ..Sources::default()
    };
    // Files that a reference names are not to be read here.
    if text.contains("file:") {
        return;
    }
    if let Ok(settings) = sources.load_text(yaml) {
        assert!(settings.to_yaml().is_ok());
        settings.secrets.hide(text);
        settings.options();
        settings.kafka("b:1");
    }
}

/// What one client sends over one connection. The answers must be HTTP.
pub fn http(data: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = runtime();
    }
    RUNTIME.with(|runtime| {
        let answered = runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            let served = tokio::spawn(answer_client(server, shown(), Default::default()));
            client.write_all(data).await.unwrap_or_default();
            client.shutdown().await.unwrap_or_default();
            let mut answered = Vec::new();
            let read = tokio::time::timeout(Duration::from_secs(60), client.read_to_end(&mut answered)).await;
            assert!(read.is_ok(), "the server does not hang up");
            assert!(served.await.is_ok(), "the server panicked");
            answered
        });
        assert!(answered.is_empty() || answered.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answered));
        let text = String::from_utf8_lossy(&answered);
        assert!(!text.contains("the state of"), "state was shown without a token: {text}");
    });
}

fn runtime() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.unwrap_or_else(|error| panic!("{error}"))
}

fn shown() -> Router {
    let health = Arc::new(Health::new(Arc::new(Stop::default()), 30_000));
    let metrics = Metrics::new(health.clone(), "fuzz", "a").unwrap_or_else(|error| panic!("{error}"));
    let mut settings = Settings::defaults("fuzz").http;
    settings.token = Some("opensesame".to_owned());
    let state = Router::new().route("/state/{store}", get(async |name: String| format!("the state of {name}")));
    router(Arc::new(Shown { health, metrics }), state, Access::new(&settings, ([0, 0, 0, 0], 80).into()))
}
