//! The whole of Millstream on a broker: the embedded one, and Apache Kafka.

mod bounded;
mod calls;
mod kills;
mod model;
mod purging;
mod scaling;
mod starting;
mod support;
mod tools;
mod watermarks;
