//! Aggregates by window. Null values count as others do, which Kafka Streams does for time windows and sessions only.

use super::{Compared, Family, LATE, Nulls, Scripts, VALUES};

/// Event time differs with a null key: a script of its own shows that.
const NULLS: Nulls = Nulls { keys: false, values: true };
const NONE: Nulls = Nulls { keys: false, values: false };

/// For windows of size 10 with advance 4 or 10, or of difference 10, and grace 5 or none.
const SCRIPTS: Scripts = &[
    ("edges", "a=x@0, a=y@9, a=z@10, a=w@11, a=v@19, a=u@20, b=x@21"),
    ("in order", "a=x@1, b=y@2, a=z@7, a=w@12, b=v@13, a=u@24, b=t@35"),
    ("ties", "a=x@5, a=y@5, b=x@5, a=z@5, a=w@15, a=v@15, b=y@60"),
    ("out of order", "a=x@9, a=y@4, a=z@1, b=x@12, a=w@3, b=y@8, a=v@11, c=x@50"),
    ("within grace", "a=x@1, b=x@14, a=y@2, a=z@9, b=y@50"),
    ("grace is over at its end", "a=x@1, b=x@15, a=y@2, a=z@9, a=w@10, b=y@50"),
    ("far too late", "a=x@1, b=x@100, a=y@2, a=z@99, a=w@80, a=v@86, b=y@200"),
    ("gaps", "a=x@1, a=y@1000, a=z@999, a=w@100000, b=x@100001"),
    ("closing one by one", "a=a@0, b=b@1, c=c@2, a=d@11, b=e@12, c=f@13, a=g@15, a=h@16, a=i@25, a=j@26, a=k@40"),
    ("from the middle of a window", "a=x@33, a=y@31, a=z@39, a=w@44, a=v@29"),
    ("headers", "a=x@5#trace=1, a=y@3#trace=2, a=z@9, a=w@80"),
    ("headers that close", "a=x@5#trace=1, b=y@80#trace=2"),
    ("null key moves time", "a=x@1, null=y@20, a=z@2, b=w@3"),
];

/// Not for reducers, to which a null value would be an aggregate that is not there.
const NULL_VALUES: Scripts = &[("null values", "a=null@1, a=x@2, a=null@3, b=null@14, b=null@14, a=y@60")];

/// For sessions of gap 5 and grace 5.
const SESSIONS: Scripts = &[
    ("growing", "a=x@1, a=y@3, a=z@8, b=x@9, a=w@13, a=v@19"),
    ("the gap's edge", "a=x@10, a=y@15, a=z@21, a=w@5, a=v@4, b=x@60"),
    ("two become one", "a=x@1, a=y@9, b=x@2, a=z@5, b=y@8, b=z@5, b=w@60"),
    ("inside", "a=x@1, a=y@6, a=z@3, a=w@6, a=v@1, b=x@60"),
    ("before", "a=x@10, a=y@7, a=z@2, a=w@1, b=x@60"),
    ("ties", "a=x@5, a=y@5, b=x@5, a=z@5, b=x@60"),
    ("within grace", "a=x@1, b=x@11, a=y@2, a=z@7, b=y@50"),
    ("grace's edges", "a=x@20, a=y@10, a=z@9, b=x@40, c=x@30, c=y@29, b=y@80"),
    ("late but joining", "a=x@1, a=y@5, b=x@12, a=z@0, b=y@16, a=w@8, a=v@9, b=z@60"),
    ("three become one", "a=x@1, a=y@10, a=z@20, a=w@15, a=v@6, b=x@80"),
    ("headers", "a=x@5#trace=1, a=y@3#trace=2, a=z@9, a=w@80"),
    ("headers that close", "a=x@5#trace=1, b=y@80#trace=2"),
    ("null key moves time", "a=x@1, null=y@40, a=z@2, b=w@3"),
];

/// The same disorder, from two streams into one aggregate.
const COGROUPS: Scripts = &[
    ("both", "left a=x@1, right a=y@2, left b=z@9, right b=w@3, right c=v@12, left c=u@11, left a=t@14, right a=s@14"),
    ("out of order", "left a=x@10, right a=y@3, left a=z@7, right a=x@12, left a=w@1, right a=v@16, left b=x@16"),
    ("null values", "left a=x@1, left a=null@2, right a=null@3, right b=null@4"),
    ("too late for either", "left a=x@1, left a=y@40, right a=z@41, left a=w@2, right a=v@3, right b=u@30"),
    ("each stream has its own time", "left a=x@1, left a=y@40, right a=z@2, right a=w@30, right a=v@3"),
];

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        topologies: &[
            "tumbling_reduce",
            "tumbling_reduce_group_by_aggregate",
            "tumbling_aggregate_group_by_aggregate",
            "tumbling_no_grace_reduce",
            "tumbling_no_grace_reduce_group_by_aggregate",
            "hopping_reduce",
            "hopping_reduce_group_by_aggregate",
        ],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS],
        values: VALUES,
        nulls: NONE,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // Null values are dropped.
        topologies: &[
            "sliding_count",
            "sliding_reduce",
            "sliding_reduce_group_by_aggregate",
            "sliding_aggregate",
            "sliding_suppress",
            "sliding_emit_on_close",
        ],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS, NULL_VALUES],
        values: VALUES,
        nulls: NONE,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["session_reduce", "session_reduce_group_by_aggregate"],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SESSIONS],
        values: VALUES,
        nulls: NONE,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &[
            "tumbling_count",
            "tumbling_aggregate",
            "tumbling_suppress",
            "tumbling_emit_on_close",
            "tumbling_no_grace_count",
            "tumbling_no_grace_aggregate",
            "tumbling_no_grace_suppress",
            "tumbling_no_grace_emit_on_close",
            "hopping_count",
            "hopping_aggregate",
            "hopping_suppress",
            "hopping_emit_on_close",
        ],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS, NULL_VALUES],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["session_count", "session_aggregate", "session_suppress", "session_emit_on_close"],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SESSIONS, NULL_VALUES],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // Kafka Streams counts each stream's time by itself: later ones differ, as a script by hand shows.
        topologies: &["cogroup_tumbling", "cogroup_sliding", "cogroup_session"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[COGROUPS],
        values: VALUES,
        nulls: NULLS,
        late: 5,
        compared: Compared::Steps,
    },
];
