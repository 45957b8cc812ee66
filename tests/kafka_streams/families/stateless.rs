//! Operators without state.

use super::{Compared, Family, LATE, Nulls, Scripts, VALUES};

const NULLS: Nulls = Nulls { keys: true, values: true };

const SCRIPTS: Scripts = &[
    ("values", "a=x@1, a=xy@5, b=@3, b=xyz@3, a=xy@0, a=xyzxyz@9"),
    ("nulls", "a=null@1, null=x@2, null=xy@2, null=null@3, a=ab@4"),
    ("headers", "a=xy@1#trace=7, a=x@2#trace=null, b=xyz@3#trace="),
];

pub(crate) const FAMILIES: &[Family] = &[
    Family {
        topologies: &["filter", "filter_not", "map", "map_values", "flat_map", "flat_map_values"],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["split"],
        sources: &["in"],
        sinks: &["out-short", "out-middle", "out-long"],
        scripts: &[SCRIPTS],
        values: VALUES,
        nulls: NULLS,
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        // Values become keys, and null keys differ: a script by hand shows that.
        topologies: &["repartition"],
        sources: &["in"],
        sinks: &["out"],
        scripts: &[SCRIPTS],
        values: VALUES,
        nulls: Nulls { keys: true, values: false },
        late: LATE,
        compared: Compared::Steps,
    },
    Family {
        topologies: &["merge"],
        sources: &["left", "right"],
        sinks: &["out"],
        scripts: &[&[
            ("both", "left a=x@1, right a=y@2, left b=z@9, right b=w@3, right c=v@9, left c=u@9"),
            ("headers", "left a=x@1#from=left, right a=y@2#from=right"),
        ]],
        values: VALUES,
        nulls: Nulls { keys: true, values: false },
        late: LATE,
        compared: Compared::Steps,
    },
];
