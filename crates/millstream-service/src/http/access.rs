//! Who may ask for what.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::settings::HttpSettings;

/// What probes ask for, without any credentials: whoever restarts the process may not have them.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

/// What is known of the other end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    /// It has shown a certificate that an authority of `http.tls.client_ca` has signed.
    pub(crate) has_certificate: bool,
}

/// What the settings demand of who asks.
pub(crate) struct Access {
    token: Option<String>,
    demands_certificate: bool,
    is_loopback: bool,
}

impl Access {
    /// For a server that listens at `address`.
    pub(crate) fn new(settings: &HttpSettings, address: SocketAddr) -> Self {
        Access {
            token: settings.token.clone(),
            demands_certificate: settings.tls.client_ca.is_some(),
            is_loopback: address.ip().is_loopback(),
        }
    }

    fn is_anybody_asked(&self) -> bool {
        self.token.is_some() || self.demands_certificate
    }

    /// Who sees what, in one line.
    pub(crate) fn described(&self) -> &'static str {
        match (self.is_anybody_asked(), self.is_loopback) {
            (true, _) => "all but /livez and /readyz for those with credentials",
            (false, true) => "for this machine alone (http.host)",
            (false, false) => "health and metrics for everybody; no state without http.token or http.tls.client_ca",
        }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.token else { return true };
        let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let shown = shown.and_then(|value| value.split_at_checked("Bearer ".len()));
        shown.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(token.ct_eq(expected.as_bytes()))
        })
    }
}

/// Lets through who has what the settings demand.
pub(super) async fn admit(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    if access.demands_certificate && !peer.has_certificate {
        return (StatusCode::FORBIDDEN, "a client's certificate is demanded\n").into_response();
    }
    if !access.has_token(request.headers()) {
        let demanded = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, demanded, "a bearer token is demanded\n").into_response();
    }
    next.run(request).await
}

/// Keeps what shows state from everybody: it needs credentials, or a server that only this machine reaches. There, a web
/// page in a browser may still reach it under a name of its own.
pub(super) async fn protect(Extension(access): Extension<Arc<Access>>, request: Request, next: Next) -> Response {
    if access.is_anybody_asked() || (access.is_loopback && is_for_loopback(request.headers())) {
        return next.run(request).await;
    }
    let why =
        "state is shown only to those with credentials (http.token or http.tls.client_ca), or at a loopback address\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

fn is_for_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for (host, expected) in [
            ("localhost:8080", true),
            ("127.0.0.1", true),
            ("[::1]:80", true),
            ("attacker.example:8080", false),
            ("127.0.0.1.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(is_for_loopback(&headers), expected, "{host}");
        }
    }
}
