//! Joins of tables.

use super::{Compared, Family, LATE, NOT_EMPTY, Nulls, Scripts, VALUES};

const NULLS: Nulls = Nulls { keys: true, values: true };

const BY_KEY: Scripts = &[
    ("left first", "left a=x@1, right a=yy@2, left a=xx@3, right a=zz@4, right b=y@5, left b=x@6"),
    (
        "deletes",
        "left a=xx@1, right a=yy@2, left a=null@3, left a=zz@4, right a=null@5, right a=y@6, left a=null@7, right a=null@8",
    ),
    (
        "deletes of nothing",
        "left a=null@1, right a=null@2, right a=y@3, left a=null@4, right a=null@5, left a=xx@6, right a=null@7",
    ),
    ("older", "left a=xx@10, right a=yy@5, right a=zz@12, left a=ww@3, left a=null@2, right a=vv@1, left a=uu@20"),
    ("same value again", "left a=xx@1, right a=yy@1, left a=xx@1, right a=yy@2, left a=xx@2"),
    ("null keys", "left null=x@1, right null=y@2, left a=xx@3, right a=yy@3, left null=null@4"),
    ("headers", "left a=xx@1#from=left, right a=yy@2#from=right, left a=zz@3#from=left"),
];

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        topologies: &[
            "table_join",
            "table_left_join",
            "table_outer_join",
            "table_join_stored",
            "table_left_join_stored",
            "table_outer_join_stored",
            "table_filter_join",
            "versioned_table_join",
            "versioned_table_left_join",
            "versioned_table_outer_join",
        ],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[BY_KEY],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["table_join_join"],
        sources: &["left", "right", "third"],
        sinks: &["out"],
        scripts: &[&[
            (
                "one after the other",
                "left a=x@1, right a=y@2, third a=z@3, right a=null@4, third a=w@5, right a=v@6, left a=null@7",
            ),
            ("third first", "third a=z@9, left a=x@1, right a=y@2, third a=null@3, left a=null@4, third a=u@5"),
        ]],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // The left value's first character is the right key; "" and "-" have none.
        topologies: &["foreign_key_join", "foreign_key_left_join"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[&[
            ("left first", "left 1=a@1, left 2=ab@2, right a=x@3, right a=y@4, left 3=b@5, right b=z@6"),
            ("right first", "right a=x@1, right b=y@2, left 1=a1@3, left 2=b1@4, left 3=c1@5, right c=z@6"),
            (
                "the foreign key changes",
                "right a=x@1, right b=y@2, left 1=a1@3, left 1=b2@4, left 1=c3@5, left 1=a4@6, right a=z@7, right b=w@8",
            ),
            (
                "no foreign key",
                "right a=x@1, left 1=-@2, left 1=a1@3, left 1=@4, left 2=@5, left 2=null@6, left 1=null@7",
            ),
            (
                "deletes",
                "right a=x@1, left 1=a1@2, left 2=a2@3, left 1=null@4, right a=null@5, right a=y@6, left 2=null@7, right a=z@8",
            ),
            (
                "deletes of nothing",
                "left 1=null@1, right a=null@2, left 1=a1@3, right a=null@4, left 1=null@5, left 1=null@6",
            ),
            ("older", "right a=x@10, left 1=a1@5, left 1=a2@3, right a=y@4, left 1=b1@2, left 1=null@1"),
            ("same value again", "right a=x@1, left 1=a1@2, left 1=a1@3, right a=x@4, left 1=a1@4"),
            ("an empty value on the right", "left 1=a1@1, right a=x@2, right a=@3, right a=y@4"),
            ("null keys", "right null=x@1, left null=a1@2, right a=y@3, left 1=a1@4"),
            ("headers", "left 1=a1@1#from=left, right a=x@2#from=right, left 1=a2@3#from=left"),
        ]],
        values: NOT_EMPTY,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
];
