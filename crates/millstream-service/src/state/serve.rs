use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use millstream::task::TaskId;
use millstream::worker::{Offered, Recipient, StateServer};
use tokio::sync::mpsc::{Sender, channel, error::TrySendError};

/// How many pieces wait for the network at most; a piece has some 100 kB.
const PIECES: usize = 4;

/// Answers with the state of the task that is named so, as its worker hands it out.
pub(super) async fn hand_out(server: Option<&StateServer>, task: &str) -> Response {
    let (recipient, mut pieces) = channel(PIECES);
    let asked = match (server, task.parse::<TaskId>()) {
        (_, Err(error)) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        (Some(server), Ok(task)) => server.ask(task, Box::new(Pieces(recipient))),
        (None, Ok(_)) => false,
    };
    // A worker that does not have the task lets go of the recipient.
    let first = if asked { pieces.recv().await } else { None };
    let Some(first) = first else {
        return (StatusCode::NOT_FOUND, format!("task {task} is not here\n")).into_response();
    };
    let rest = stream::unfold((Some(first), pieces), |(first, mut pieces)| async move {
        let piece = match first {
            Some(first) => first,
            None => pieces.recv().await?,
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(piece)), (None, pieces)))
    });
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(rest)).into_response()
}

/// Where a worker puts what the network is to take.
struct Pieces(Sender<Vec<u8>>);

impl Recipient for Pieces {
    fn offer(&mut self, piece: Vec<u8>) -> Offered {
        match self.0.try_send(piece) {
            Ok(()) => Offered::Taken,
            Err(TrySendError::Full(piece)) => Offered::Full(piece),
            Err(TrySendError::Closed(_)) => Offered::Gone,
        }
    }
}
