use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use millstream::broker::Waker;
use millstream::task::TaskId;
use millstream::worker::{Incoming, Peers, Piece};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TryRecvError};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::error::Error;
use crate::http;
use crate::settings::HttpSettings;

/// How long a connection, and then each piece of the answer, may take to come.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const PIECE_LIMIT: Duration = Duration::from_secs(10);
/// How many pieces wait for the worker at most; the network then waits, too.
const PIECES: usize = 16;

/// Asks other instances over HTTP.
pub(crate) struct HttpPeers {
    runtime: Handle,
    how: Arc<How>,
}

/// What the others demand; they have the same settings.
struct How {
    token: Option<String>,
    /// With `http.tls.client_ca`: by which the others are known, and this process to them.
    tls: Option<TlsConnector>,
}

impl HttpPeers {
    /// Runs its requests on `runtime`.
    pub(crate) fn new(runtime: Handle, settings: &HttpSettings) -> Result<Self, Error> {
        let tls = http::client(&settings.tls)?.map(|config| TlsConnector::from(Arc::new(config)));
        Ok(HttpPeers { runtime, how: Arc::new(How { token: settings.token.clone(), tls }) })
    }
}

impl Peers for HttpPeers {
    fn ask(&self, address: &str, task: TaskId, waker: Waker) -> Box<dyn Incoming> {
        let (pieces, incoming) = channel(PIECES);
        let (address, how) = (address.to_owned(), self.how.clone());
        self.runtime.spawn(async move {
            let answer = Answer { pieces, waker };
            let last = match answer.take(&address, task, &how).await {
                Ok(()) => Ok(Piece::End),
                Err(error) => Err(format!("{address}: {error}")),
            };
            answer.hand_on(last).await;
        });
        Box::new(Pieces(incoming))
    }
}

/// The way of an answer to the worker that asked.
struct Answer {
    pieces: Sender<Result<Piece, String>>,
    waker: Waker,
}

impl Answer {
    async fn hand_on(&self, piece: Result<Piece, String>) -> bool {
        let taken = self.pieces.send(piece).await.is_ok();
        (self.waker)();
        taken
    }

    async fn take(&self, address: &str, task: TaskId, how: &How) -> Result<(), String> {
        let (is_encrypted, authority) = match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
            (Some(authority), _) => (true, authority),
            (None, plain) => (false, plain.unwrap_or(address)),
        };
        let connected = timeout(CONNECT_LIMIT, TcpStream::connect(authority)).await;
        let stream = connected.map_err(|_| "no connection".to_owned())?.map_err(|error| error.to_string())?;
        match (is_encrypted, &how.tls) {
            (false, _) => self.take_from(stream, authority, task, how).await,
            (true, None) => Err("it speaks TLS, which takes http.tls with client_ca here, too".to_owned()),
            (true, Some(connector)) => {
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
                let name = name.map_err(|_| format!("{host} is no name"))?;
                let stream = timeout(CONNECT_LIMIT, connector.connect(name, stream)).await;
                let stream = stream.map_err(|_| "no TLS handshake".to_owned())?.map_err(|error| error.to_string())?;
                self.take_from(stream, authority, task, how).await
            }
        }
    }

    async fn take_from(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        authority: &str,
        task: TaskId,
        how: &How,
    ) -> Result<(), String> {
        let (mut requests, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let mut request = Request::get(format!("/state/{task}")).header(header::HOST, authority);
        if let Some(token) = &how.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = timeout(PIECE_LIMIT, requests.send_request(request)).await;
        let response = response.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        let mut body = response.into_body();
        loop {
            let frame = timeout(PIECE_LIMIT, body.frame()).await.map_err(|_| "its answer stopped".to_owned())?;
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.map_err(|error| format!("its answer broke off: {error}"))?;
            if let Ok(bytes) = frame.into_data()
                && !self.hand_on(Ok(Piece::Bytes(bytes.into()))).await
            {
                return Err("nobody waits any more".to_owned());
            }
        }
    }
}

struct Pieces(Receiver<Result<Piece, String>>);

impl Incoming for Pieces {
    fn next(&mut self) -> Result<Piece, String> {
        match self.0.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => Ok(Piece::NotYet),
            Err(TryRecvError::Disconnected) => Err("the request was given up".to_owned()),
        }
    }
}
