//! Connections: how many, how long, and how large their requests may be.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::access::Peer;
use super::tls::Tls;

/// How many connections there may be at once; more wait.
const CONNECTIONS: usize = 512;
/// How long a client may take for a TLS handshake, and for the head of a request, also of the next one.
pub(crate) const SLOWEST: Duration = Duration::from_secs(5);
/// How long a connection may last, whatever is going on: nobody reads an answer slowly for ever.
const LONGEST: Duration = Duration::from_secs(600);
/// The largest head of a request, in bytes: hyper has no smaller buffer.
const LARGEST_HEAD: usize = 8 * 1024;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;
/// How long no connection is taken after the system had none to give (too many open files).
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
pub(crate) async fn serve(listener: std::net::TcpListener, router: Router, mut tls: Option<Tls>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("no HTTP connection was taken: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let connection = connection(stream, router.clone(), tls.as_mut().map(Tls::acceptor));
        tokio::spawn(async move {
            // What is wrong with a connection is for the client to see.
            let _ = timeout(LONGEST, connection).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>) {
    let Some(tls) = tls else { return answer(stream, router, Peer::default()).await };
    match timeout(SLOWEST, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let has_certificate = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
            answer(stream, router, Peer { has_certificate }).await;
        }
        Ok(Err(error)) => tracing::debug!("a TLS handshake of HTTP failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake of HTTP took too long"),
    }
}

/// Answers what one client asks.
pub(crate) fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: Peer,
) -> impl Future<Output = ()> {
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    async move {
        if let Err(error) = connection.await {
            tracing::debug!("an HTTP connection ended: {error}");
        }
    }
}
