use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use millstream::broker::Waker;
use millstream::task::TaskId;
use millstream::worker::{Incoming, Peers, Piece};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TryRecvError};
use tokio::time::timeout;

/// How long a connection, and then each piece of the answer, may take to come.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const PIECE_LIMIT: Duration = Duration::from_secs(10);
/// How many pieces wait for the worker at most; the network then waits, too.
const PIECES: usize = 16;

/// Asks other instances over HTTP.
pub(crate) struct HttpPeers {
    runtime: Handle,
    /// What the others require, if they do: `http.token`.
    token: Option<String>,
}

impl HttpPeers {
    /// Runs its requests on `runtime`.
    pub(crate) fn new(runtime: Handle, token: Option<String>) -> Self {
        HttpPeers { runtime, token }
    }
}

impl Peers for HttpPeers {
    fn ask(&self, address: &str, task: TaskId, waker: Waker) -> Box<dyn Incoming> {
        let (pieces, incoming) = channel(PIECES);
        let (address, token) = (address.to_owned(), self.token.clone());
        self.runtime.spawn(async move {
            let answer = Answer { pieces, waker };
            let last = match answer.take(&address, task, token.as_deref()).await {
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

    async fn take(&self, address: &str, task: TaskId, token: Option<&str>) -> Result<(), String> {
        let connected = timeout(CONNECT_LIMIT, TcpStream::connect(address)).await;
        let stream = connected.map_err(|_| "no connection".to_owned())?.map_err(|error| error.to_string())?;
        let (mut requests, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let mut request = Request::get(format!("/state/{task}")).header(header::HOST, address);
        if let Some(token) = token {
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
