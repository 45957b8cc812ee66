use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::error::Error;
use crate::health::Health;
use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::run::now_ms;
use crate::settings::HttpSettings;

/// What the handlers read.
pub(crate) struct Shown {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

/// Takes the address of the settings; with port 0, any free port.
pub(crate) fn bind(settings: &HttpSettings) -> Result<TcpListener, Error> {
    let HttpSettings { host, port, .. } = settings;
    let failed = |error: std::io::Error| {
        let reason = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another process has that port".to_owned(),
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        };
        Error::Http { host: host.clone(), port: *port, reason }
    };
    let listener = TcpListener::bind((host.as_str(), *port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// `/livez`, `/readyz` and `/metrics`.
pub(crate) fn router(shown: Arc<Shown>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown)
}

async fn livez(State(shown): State<Arc<Shown>>) -> Response {
    answer("text/plain; charset=utf-8", shown.health.live(now_ms()))
}

async fn readyz(State(shown): State<Arc<Shown>>) -> Response {
    answer("application/json", shown.health.ready())
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    match shown.metrics.text() {
        Ok(text) => answer(CONTENT_TYPE, Ok(text)),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn answer(content_type: &'static str, body: Result<String, String>) -> Response {
    let status = if body.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = body.unwrap_or_else(|body| body);
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;
    use crate::background::Background;
    use crate::stop::Stop;

    fn settings(port: u16) -> HttpSettings {
        HttpSettings { enabled: true, host: "127.0.0.1".to_owned(), port }
    }

    fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn answers_on_a_port_that_was_free() {
        let stop = Arc::new(Stop::default());
        let health = Arc::new(Health::new(stop.clone()));
        let metrics = Metrics::new(health.clone(), "orders", "pod-0").unwrap();
        let listener = bind(&settings(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = router(Arc::new(Shown { health: health.clone(), metrics }));
        let background =
            Background::start(Some((listener, router)), stop, health.clone(), Duration::from_secs(1)).unwrap();

        assert!(get(port, "/livez").starts_with("HTTP/1.1 200 OK\r\n"));
        let starting = get(port, "/readyz");
        assert!(starting.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{starting}");
        assert!(starting.contains("content-type: application/json\r\n"), "{starting}");
        assert!(starting.ends_with("\r\n\r\n{\"phase\":\"starting\",\"ready\":false,\"tasks\":[]}\n"), "{starting}");
        health.set_workers(vec![Arc::default()]);
        assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
        health.workers()[0].moved_at.store(0, std::sync::atomic::Ordering::Relaxed);
        let stuck = get(port, "/livez");
        assert!(stuck.starts_with("HTTP/1.1 503 ") && stuck.contains("worker 0 has not moved for "), "{stuck}");
        let metrics = get(port, "/metrics");
        assert!(metrics.contains("content-type: text/plain; version=0.0.4\r\n"), "{metrics}");
        assert!(metrics.contains("millstream_commits_total{worker=\"0\"} 0\n"), "{metrics}");
        assert!(get(port, "/").starts_with("HTTP/1.1 404 "));

        drop(background);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is let go of");
    }

    #[test]
    fn says_what_to_do_about_an_address_that_it_cannot_have() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(&settings(port)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot serve HTTP at 127.0.0.1:{port}: another process has that port. Set http.port to a free port \
                 (0 takes any) or http.enabled to false"
            )
        );
        assert_eq!(error.exit_code(), 1);
        let error = bind(&HttpSettings { host: "192.0.2.1".to_owned(), ..settings(0) }).unwrap_err().to_string();
        assert!(error.contains("this machine has no such address"), "{error}");
    }
}
