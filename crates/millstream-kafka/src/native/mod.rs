//! librdkafka's own calls, where rust-rdkafka has none or only dear ones: all `unsafe` code of the crate.
#![allow(unsafe_code)]

mod list;
mod producer;
mod queue;

pub(crate) use list::metadata_texts;
pub(crate) use producer::{NativeProducer, TransactionFailure};
pub(crate) use queue::{Batch, Item, PartitionQueue};
