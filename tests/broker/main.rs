//! The whole of Millstream on a broker: the embedded one, and Apache Kafka.

mod away;
mod bad_input;
mod bounded;
mod calls;
mod kills;
mod model;
mod purging;
mod scaling;
mod secured;
mod standby;
mod starting;
mod support;
mod tools;
mod watermarks;
