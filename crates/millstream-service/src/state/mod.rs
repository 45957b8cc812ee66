//! The state of tasks over HTTP: handed out to other instances, and asked of them.

mod ask;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;

pub(crate) use ask::HttpPeers;

use crate::http::Shown;

/// `/state/TASK`; to be shown only to those with credentials, or at an address that nobody else reaches.
pub(crate) fn routes() -> Router<Arc<Shown>> {
    Router::new().route(
        "/state/{task}",
        get(async |State(shown): State<Arc<Shown>>, Path(task): Path<String>| {
            serve::hand_out(shown.health.states(), &task).await
        }),
    )
}
