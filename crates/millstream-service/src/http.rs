use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::error::Error;
use crate::health::Health;
use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::run::now_ms;
use crate::settings::HttpSettings;

mod access;
mod serve;
mod tls;

pub(crate) use access::Access;
pub(crate) use serve::{answer as answer_client, serve};
pub(crate) use tls::{Tls, client, probe};

/// The largest body of a request, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// How long an answer may take, with the reading of the request's body.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

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

/// `/livez`, `/readyz` and `/metrics`; and `protected`, the routes that show state: these are there only for those with
/// credentials, or at an address that nobody else reaches.
pub(crate) fn router(shown: Arc<Shown>, protected: Router<Arc<Shown>>, access: Access) -> Router {
    let access = Arc::new(access);
    Router::new()
        .merge(protected.layer(from_fn(access::protect)))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        // After the merge, as a fallback behind `protect` would answer that nobody may ask for what is not there.
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(shown)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(in_time))
        .layer(Extension(access.clone()))
        .layer(from_fn_with_state(access, access::admit))
}

async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
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
mod tests;
