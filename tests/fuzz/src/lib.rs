//! Functions that read whatever bytes come: as many as there are decoders of bytes from outside of a process.
//!
//! Each must end without a panic, an overflow, or an allocation that its input does not account for. `cargo test` gives them
//! some thousand inputs; `cargo fuzz-all` lets libFuzzer look for others.

mod bytes;
mod formats;
mod serdes;
mod task;
mod topologies;

pub use serdes::serdes;

/// A function that must take any bytes.
pub type Target = fn(&[u8]);

/// All targets, by name.
pub const TARGETS: [(&str, Target); 18] = [
    ("serdes", serdes),
    ("operators", |data| task::run(&topologies::OPERATORS, data)),
    ("windows", |data| task::run(&topologies::WINDOWS, data)),
    ("tables", |data| task::run(&topologies::TABLES, data)),
    ("processors", |data| task::run(&topologies::PROCESSORS, data)),
    ("versions", |data| task::run(&topologies::VERSIONS, data)),
    ("frame", millstream_formats::fuzz::frame),
    ("avro", millstream_formats::fuzz::avro),
    ("settings", millstream_service::fuzz::settings),
    ("http", millstream_service::fuzz::http),
    ("control-topic", millstream::worker::fuzz::control_topic),
    ("state-of-a-task", millstream::worker::fuzz::state_of_a_task),
    ("token", millstream_kafka::fuzz_token),
    ("protobuf", formats::protobuf),
    ("protobuf-schema", formats::protobuf_schema),
    ("json-schema", formats::json_schema),
    ("message-pack", formats::message_pack),
    ("csv", formats::csv),
];
