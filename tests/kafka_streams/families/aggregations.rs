//! Aggregates of streams without windows.

use super::{Compared, Family, LATE, Nulls, VALUES};

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        topologies: &[
            "group_by_key_count",
            "group_by_key_reduce",
            "group_by_key_aggregate",
            "group_by_count",
            "group_by_reduce",
            "group_by_aggregate",
        ],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[&[
            ("one key", "a=x@1, a=y@2, a=x@3, a=xx@4"),
            ("out of order", "a=x@10, a=y@3, b=x@12, b=y@11, a=z@11, a=x@0"),
            ("ties", "a=x@5, a=x@5, b=x@5, a=y@5"),
            ("nulls", "a=x@1, a=null@9, null=y@8, null=null@9, a=y@2, b=null@3, b=@4"),
            ("headers", "a=x@5#trace=1, a=y@3#trace=2, a=x@9"),
        ]],
        values: VALUES,
        nulls: Nulls { keys: true, values: true },
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["cogroup"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[&[
            ("both", "left a=x@1, right a=y@2, left b=z@9, right b=w@3, right c=v@9, left c=u@9"),
            ("out of order", "left a=x@10, right a=y@3, left a=z@7, right a=x@12"),
            ("nulls", "left a=x@1, left a=null@2, right a=null@3, right null=x@4, left a=y@0"),
        ]],
        values: VALUES,
        nulls: Nulls { keys: true, values: true },
        late: LATE,
        compared: Compared::Steps,
    },
];
