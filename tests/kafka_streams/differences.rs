//! What differs from Kafka Streams, and is meant to.

/// One difference, by the scripts that show it. A script that is listed and does not differ any more is an error.
pub(crate) struct Difference {
    /// As in the list in `crates/README.md`, which tells why.
    pub(crate) title: &'static str,
    /// `topology/script`.
    pub(crate) scripts: &'static [&'static str],
}

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        title: "Event time is a task's, not an operator's",
        scripts: &[
            "hopping_aggregate/null key moves time",
            "hopping_count/null key moves time",
            "hopping_emit_on_close/null key moves time",
            "hopping_reduce/null key moves time",
            "hopping_suppress/null key moves time",
            "session_aggregate/null key moves time",
            "session_count/null key moves time",
            "session_emit_on_close/null key moves time",
            "session_reduce/null key moves time",
            "session_suppress/null key moves time",
            "sliding_aggregate/null key moves time",
            "sliding_count/null key moves time",
            "sliding_emit_on_close/null key moves time",
            "sliding_reduce/null key moves time",
            "sliding_suppress/null key moves time",
            "tumbling_emit_on_close/null key moves time",
            "tumbling_no_grace_emit_on_close/null key moves time",
            "tumbling_no_grace_suppress/null key moves time",
            "tumbling_suppress/null key moves time",
            "tumbling_count/null key moves time",
            "tumbling_reduce/null key moves time",
            "tumbling_aggregate/null key moves time",
            "tumbling_no_grace_count/null key moves time",
            "tumbling_no_grace_reduce/null key moves time",
            "tumbling_no_grace_aggregate/null key moves time",
        ],
    },
    Difference {
        title: "A windowed left or outer join gives a record its partners or none, never both",
        scripts: &[
            "stream_left_join/edges from the other side",
            "stream_outer_join/edges",
            "stream_outer_join/edges from the other side",
            "stream_outer_join/one stream far ahead",
            "stream_uneven_left_join/edges from the other side",
            "stream_uneven_left_join/within grace",
            "stream_uneven_left_join/grace's edges",
            "stream_uneven_outer_join/edges from the other side",
            "stream_uneven_outer_join/within grace",
            "stream_uneven_outer_join/grace's edges",
            "stream_uneven_outer_join/one stream far ahead",
        ],
    },
    Difference {
        title: "A result without a partner comes as soon as its window is over",
        scripts: &[
            "stream_left_join/null keys move time",
            "stream_outer_join/null keys move time",
            "stream_uneven_left_join/null keys move time",
            "stream_uneven_outer_join/null keys move time",
            "stream_after_left_join/null keys move time",
            "stream_after_outer_join/null keys move time",
            "stream_after_outer_join/in order",
            "stream_after_outer_join/null values",
        ],
    },
    Difference {
        title: "A result that waited has no headers",
        scripts: &[
            "hopping_emit_on_close/headers that close",
            "session_emit_on_close/headers that close",
            "sliding_emit_on_close/headers that close",
            "tumbling_emit_on_close/headers that close",
            "tumbling_no_grace_emit_on_close/headers that close",
            "stream_left_join/headers",
            "stream_outer_join/headers",
            "stream_uneven_left_join/headers",
            "stream_uneven_outer_join/headers",
            "stream_after_left_join/headers",
            "stream_after_outer_join/headers",
        ],
    },
    Difference {
        title: "A versioned table that is filtered tells its changes alone",
        scripts: &[
            "versioned_table_filter/older ones change nothing",
            "versioned_table_filter/older than the history",
            "versioned_table_filter/deletes",
            "versioned_table_filter/seed 0",
            "versioned_table_filter/seed 1",
            "versioned_table_filter/seed 2",
            "versioned_table_filter/seed 3",
            "versioned_table_filter/seed 4",
            "versioned_table_filter/seed 5",
            "versioned_table_filter/seed 6",
            "versioned_table_filter/seed 7",
        ],
    },
    Difference {
        title: "What suppress() passes on has as its old value what it passed on before",
        scripts: &[
            "table_suppress_group_by_aggregate/one key",
            "table_suppress_group_by_aggregate/several keys",
            "table_suppress_group_by_aggregate/ties",
            "table_suppress_group_by_aggregate/out of order",
            "table_suppress_group_by_aggregate/deleted while waiting",
            "table_suppress_group_by_aggregate/seed 0",
            "table_suppress_group_by_aggregate/seed 1",
            "table_suppress_group_by_aggregate/seed 2",
            "table_suppress_group_by_aggregate/seed 3",
            "table_suppress_group_by_aggregate/seed 4",
            "table_suppress_group_by_aggregate/seed 5",
            "table_suppress_group_by_aggregate/seed 6",
            "table_suppress_group_by_aggregate/seed 7",
        ],
    },
    Difference {
        title: "An empty value on the right of a foreign-key join is a value",
        scripts: &["foreign_key_join/an empty value on the right", "foreign_key_left_join/an empty value on the right"],
    },
    Difference { title: "A repartition topic keeps records with null keys", scripts: &["repartition/nulls"] },
];

/// Topologies that wait for their twin.
pub(crate) const PENDING: &[&str] = &["cogroup_session", "cogroup_sliding", "cogroup_tumbling"];
