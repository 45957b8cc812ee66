//! Joins of a stream with a table, a global table, or another stream.

use super::{Compared, Family, LATE, Nulls, Scripts, VALUES};

const ALL: Nulls = Nulls { keys: true, values: true };

/// Event time differs with a null key or value: scripts of their own show that.
const NONE: Nulls = Nulls { keys: false, values: false };

/// For windows of 10 before and after, 3 before and 8 after, or 0 before and 10 after; grace 5 or none.
const WINDOWED: Scripts = &[
    (
        "edges",
        "left a=x@20, right a=y@10, right a=z@9, right a=w@30, right a=v@31, right a=u@17, right a=t@16, right a=s@28, right a=r@29",
    ),
    (
        "edges from the other side",
        "right a=x@20, left a=y@10, left a=z@9, left a=w@30, left a=v@31, left a=u@12, left a=t@23, left a=s@24",
    ),
    ("in order", "left a=x@1, right a=y@2, left a=z@3, right b=x@4, left b=y@5, left a=w@30, right a=v@50"),
    ("ties", "left a=x@5, right a=y@5, left a=z@5, right a=w@5, left a=x@5, right b=x@60"),
    ("never met", "left a=x@1, left b=y@2, right c=z@3, left a=w@40, right c=v@41, left d=u@100"),
    (
        "never met, in order of time",
        "left b=x@3, left a=y@3, right c=z@2, left c=w@30, right a=v@1, left a=u@90, right b=t@90",
    ),
    ("within grace", "left a=x@1, left b=x@16, right a=y@2, right a=z@11, left b=y@60"),
    (
        "grace's edges",
        "left a=x@1, left b=x@15, right a=y@2, left b=y@16, right a=z@2, left b=z@17, right a=w@2, left b=w@60",
    ),
    (
        "too late for its own stream",
        "left a=x@50, left a=y@10, right a=z@12, right a=w@48, left b=x@24, right b=y@26, left b=z@90",
    ),
    (
        "one stream far ahead",
        "left a=x@100, right a=y@5, right a=z@6, left a=w@7, right b=x@101, left b=y@8, right b=z@200",
    ),
    ("headers", "left a=x@1#from=left, right a=y@2#from=right, left b=z@3#from=left, right c=w@80#from=right"),
    ("null values", "left a=null@1, right a=y@2, left a=x@3, right a=null@4, right b=z@40"),
    ("null keys", "left null=x@1, right null=y@2, left a=x@3, right a=y@4"),
    ("null keys move time", "left a=x@1, left null=z@40, right a=y@2"),
];

/// Versions of the table's rows are kept for 20.
const VERSIONED: Scripts = &[
    (
        "as of the record's time",
        "right a=x@10, right a=y@20, left a=1@10, left a=2@15, left a=3@20, left a=4@25, left a=5@9",
    ),
    (
        "a row that comes late",
        "right a=x@10, left a=1@15, right a=y@12, left a=2@15, left a=3@11, right a=null@16, left a=4@15, left a=5@17",
    ),
    (
        "beyond the history",
        "right a=x@10, right a=y@40, right b=x@100, left a=1@11, left a=2@50, left b=3@79, left b=4@80",
    ),
    ("deleted", "right a=x@10, right a=null@14, right a=y@18, left a=1@12, left a=2@15, left a=3@18"),
    ("null keys and values", "right a=x@1, left null=1@2, left a=null@3, left null=null@4, right null=y@5, left a=2@6"),
];

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        topologies: &["stream_table_join", "stream_table_left_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[&[
            (
                "the table's row of the moment",
                "left a=1@1, right a=x@2, left a=2@3, right a=y@4, left a=3@5, left b=4@6",
            ),
            ("whatever the time", "right a=x@10, left a=1@3, right a=y@2, left a=2@30, left a=3@1"),
            ("deleted", "right a=x@1, left a=1@2, right a=null@3, left a=2@4, right a=y@5, left a=3@6"),
            (
                "null keys and values",
                "right a=x@1, left null=1@2, left a=null@3, left null=null@4, right null=y@5, left b=null@6, left a=2@6",
            ),
            ("headers", "right a=x@1#from=right, left a=1@2#from=left, left b=2@3#from=left"),
        ]],
        values: VALUES,
        nulls: ALL,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["stream_versioned_table_join", "stream_versioned_table_left_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[VERSIONED],
        values: VALUES,
        nulls: ALL,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // The left value's first character is the table's key; a null value has none.
        topologies: &["global_table_join", "global_table_left_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[&[
            (
                "by another key",
                "right a=x@5, left 1=a1@1, left 2=b2@2, right b=y@1, left 2=b3@0, right a=null@9, left 1=a4@9",
            ),
            (
                "null keys and values",
                "right a=x@1, left null=a1@2, left 1=null@3, left null=null@4, right null=y@5, left 1=a2@6",
            ),
            ("headers", "right a=x@1#from=right, left 1=a1@2#from=left"),
        ]],
        values: VALUES,
        nulls: ALL,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["stream_join", "stream_uneven_join", "stream_after_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[WINDOWED],
        values: VALUES,
        nulls: NONE,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // In left and outer joins more differs, as scripts by hand show: what is later than the grace, and when results
        // without a partner come.
        topologies: &["stream_left_join", "stream_outer_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[WINDOWED],
        values: VALUES,
        nulls: NONE,
        late: 5,
        compared: Compared::Records,
    },
    Family {
        topologies: &["stream_uneven_left_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[WINDOWED],
        values: VALUES,
        nulls: NONE,
        late: 5,
        compared: Compared::Records,
    },
    Family {
        topologies: &["stream_uneven_outer_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[WINDOWED],
        values: VALUES,
        nulls: NONE,
        late: 3,
        compared: Compared::Records,
    },
    Family {
        topologies: &["stream_after_left_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[WINDOWED],
        values: VALUES,
        nulls: NONE,
        late: 0,
        compared: Compared::Records,
    },
    Family {
        topologies: &["stream_after_outer_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[WINDOWED],
        values: VALUES,
        nulls: NONE,
        late: 0,
        compared: Compared::Records,
    },
    Family {
        topologies: &["stream_self_join"],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[&[
            ("pairs", "a=x@1, a=y@5, b=x@5, a=z@11, a=w@12, a=v@2"),
            ("ties", "a=x@5, a=y@5, a=x@5"),
            ("late", "a=x@50, a=y@30, a=z@25, a=w@24, a=v@40"),
        ]],
        values: VALUES,
        nulls: NONE,
        late: LATE,
        compared: Compared::Steps,
    },
];
