//! Operators on one table.

use super::{Compared, Family, LATE, Nulls, Scripts, VALUES};

const NULLS: Nulls = Nulls { keys: true, values: true };

const SCRIPTS: Scripts = &[
    ("updates", "a=x@1, a=xy@2, b=x@3, a=z@4, b=yy@5, b=yz@6"),
    ("deletes", "a=xy@1, b=xz@2, a=null@3, a=xx@4, b=null@5, a=null@6"),
    ("deletes of nothing", "a=null@1, b=xx@2, a=null@3, b=null@4, b=null@5"),
    ("same value again", "a=xy@1, a=xy@2, a=x@3, a=x@3, b=xy@4"),
    ("older", "a=xy@10, a=xz@5, b=x@7, a=null@3, a=zz@2, b=xy@7, b=yy@6"),
    ("a predicate that changes its mind", "a=x@1, a=xx@2, a=y@3, a=yy@4, a=z@5, a=z@6, a=null@7, b=x@8, b=null@9"),
    ("groups", "a=xy@1, b=xz@2, a=yx@3, b=yy@4, a=xx@5, b=null@6, a=x@7, a=null@8, c=@9, c=x@10"),
    ("null keys", "null=x@1, a=x@2, null=null@3, null=xx@9, a=xy@4"),
    ("headers", "a=x@5#trace=1, a=xy@3#trace=2, a=null@9#trace=3"),
];

const SUPPRESS: Scripts = &[
    ("one key", "a=x@1, a=y@5, a=z@10, a=w@11, a=v@12, a=u@21, a=t@22"),
    ("several keys", "a=x@1, b=y@3, c=z@5, a=w@11, b=v@13, d=u@40, e=t@60"),
    ("ties", "c=x@5, b=y@5, a=z@5, d=w@15, d=v@16, e=u@60"),
    ("out of order", "a=x@20, b=y@9, a=z@12, c=w@11, a=v@30, b=u@31, d=t@90"),
    ("deleted while waiting", "a=x@1, a=null@2, b=y@12, b=null@30, a=z@31, c=w@60"),
    ("the wall clock does nothing", "a=x@1, wait 1000, b=y@2, wait 1000, c=z@20"),
];

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        topologies: &[
            "table_to_stream",
            "table_filter",
            "table_filter_not",
            "table_filter_stored",
            "table_map_values",
            "table_map_values_stored",
            "table_filter_map_values",
            "table_group_by_count",
            "table_group_by_reduce",
            "table_group_by_aggregate",
            "table_filter_group_by_aggregate",
            "table_group_by_null",
            "aggregate_group_by_aggregate",
            "stream_to_table",
        ],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // Each key's changes wait for 10, or until there are more than two keys.
        topologies: &["table_suppress", "table_suppress_two", "table_suppress_group_by_aggregate"],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS, SUPPRESS],
        values: VALUES,
        nulls: Nulls { keys: false, values: true },
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &[
            "versioned_table",
            "versioned_table_filter",
            "versioned_table_group_by_count",
            "versioned_table_group_by_aggregate",
        ],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[&[
            ("older ones change nothing", "a=xy@10, a=xz@5, a=zz@9, a=null@8, a=zx@10, b=x@2"),
            ("older than the history", "a=xy@10, b=x@100, b=y@79, b=z@80, b=null@81, a=x@70, a=z@80, a=y@11"),
            ("deletes", "a=xy@10, a=null@12, a=xz@11, a=zz@12, a=null@14, a=null@13"),
            ("same time", "a=xy@10, a=xz@10, a=null@10, a=xx@10"),
        ]],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
];
