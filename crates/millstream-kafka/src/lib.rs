//! The broker ports of Millstream on Apache Kafka, by librdkafka.
//!
//! [`KafkaBroker`] is the whole of it: everything else is reached through the traits of [`millstream::broker`].
//!
//! * A member of the group reads each partition from that partition's own queue, on whichever thread owns its reader;
//!   the group's own queue carries rebalances and errors only, and no record.
//! * A waker is called from a thread of librdkafka which holds that queue's lock: it must only signal, not block, and
//!   not call a reader.
//! * With [`GroupProtocol::Consumer`], librdkafka pauses **all** partitions of a member from the moment an event comes
//!   until it is answered; with [`GroupProtocol::Classic`] a rebalance takes everything away first.

mod admin;
mod broker;
mod closing;
mod context;
mod errors;
mod fence;
mod member;
mod membership;
mod metadata;
mod missed;
mod native;
mod oauth;
mod presence;
mod producer;
mod reader;
mod refusal;
mod restore;
mod rights;
mod settings;
mod start;

pub use broker::KafkaBroker;
#[doc(hidden)]
pub use oauth::fuzz_token;
pub use settings::{GroupProtocol, KafkaSettings, OffsetReset};
