//! librdkafka's own calls, where rust-rdkafka has none or only dear ones: all `unsafe` code of the crate.
#![allow(unsafe_code)]

mod events;
mod given;
mod group;
mod list;
mod producer;
mod queue;
mod token;

use std::ffi::c_int;
use std::time::Duration;

pub(crate) use events::Events;
pub(crate) use given::GivenQuestion;
pub(crate) use group::{GroupMetadata, commit_positions};
pub(crate) use list::metadata_texts;
pub(crate) use producer::{NativeProducer, TransactionFailure};
pub(crate) use queue::{Batch, Item, PartitionQueue};
pub(crate) use token::set_token;

/// A limit as librdkafka takes it: rounded up, so that a rest of less than 1 ms is not waited for by spinning.
fn milliseconds(limit: Duration) -> c_int {
    c_int::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}
