//! What differs from Kafka Streams, and is meant to.

/// One difference, by the scripts that show it. A script that is listed and does not differ any more is an error.
pub(crate) struct Difference {
    /// As in the list in `crates/README.md`, which tells why.
    pub(crate) title: &'static str,
    /// `topology/script`.
    pub(crate) scripts: &'static [&'static str],
}

pub(crate) const DIFFERENCES: &[Difference] = &[];

/// Topologies that wait for their twin.
pub(crate) const PENDING: &[&str] = &[
    "cogroup",
    "cogroup_session",
    "cogroup_sliding",
    "cogroup_tumbling",
    "hopping_aggregate",
    "hopping_count",
    "hopping_emit_on_close",
    "hopping_reduce",
    "hopping_suppress",
    "session_aggregate",
    "session_count",
    "session_emit_on_close",
    "session_reduce",
    "session_suppress",
    "sliding_aggregate",
    "sliding_count",
    "sliding_emit_on_close",
    "sliding_reduce",
    "sliding_suppress",
    "stream_to_table",
    "stream_versioned_table_join",
    "stream_versioned_table_left_join",
    "tumbling_emit_on_close",
    "tumbling_no_grace_emit_on_close",
    "tumbling_no_grace_suppress",
    "tumbling_suppress",
    "versioned_table",
    "versioned_table_filter",
    "versioned_table_group_by_aggregate",
    "versioned_table_group_by_count",
    "versioned_table_join",
    "versioned_table_left_join",
    "versioned_table_outer_join",
];
