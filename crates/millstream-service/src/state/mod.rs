//! The state of tasks over HTTP: handed out to other instances, and asked of them.

mod ask;
mod serve;

pub(crate) use ask::HttpPeers;
pub(crate) use serve::hand_out;
