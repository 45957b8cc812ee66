//! Theodolite's fourth use case: power of groups, and of groups of groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::prelude::*;

use super::words::{Fixed, Reading};
use super::{Compared, STATEFUL, Workload};
use crate::inputs::{GROUPS, MEASUREMENTS};

const SIZE: Duration = Duration::from_secs(5);

/// Nothing is late: what would be depends on which partition is read faster.
const GRACE: Duration = Duration::from_secs(86_400);

pub(super) static UC4: Workload = Workload {
    name: "theodolite-uc4",
    about: "Theodolite UC4: each measurement goes to its sensor's group, as a table says, and puts the group's power in a window of \
            5 s, the sum of the last ones of its sensors, into the output; that goes to the group's group, which does the same. \
            In Theodolite groups come back by a feedback topic, to any depth; here there are two levels, one behind the other. \
            The last output of each group and window is compared.",
    inputs: &[&MEASUREMENTS, &GROUPS],
    contestants: STATEFUL,
    topology: |topics| {
        let input = Topic::<String, Reading>::new(&*topics.inputs[0], Utf8, Fixed);
        let groups = Topic::<String, String>::new(&*topics.inputs[1], Utf8, Utf8);
        let output = Topic::<_, f64>::new(&*topics.output, TimeWindowed::new(Utf8, SIZE.as_millis() as i64), F64);
        Arc::new(move |b| {
            let groups = b.table_from_changelog(&groups, "groups");
            let members = b.stream(&input).join(&groups, |reading, groups| (groups.clone(), reading.watts)).map(
                |sensor, (groups, watts)| {
                    let (group, outer) = groups.split_once(',').unwrap_or((&*groups, ""));
                    (group.to_owned(), (sensor, outer.to_owned(), watts))
                },
            );
            let inner = power(&members, "by-group", "groups-power");
            inner.map_values(|(_, watts)| watts).to(&output);
            let members = inner.map(|group, (outer, watts)| (outer, (group.key, String::new(), watts)));
            power(&members, "by-outer-group", "outer-groups-power").map_values(|(_, watts)| watts).to(&output);
        })
    },
    has_changelog: true,
    has_repartitions: true,
    restores: false,
    compared: Compared::LastOfKeys,
};

/// A group's member: its name, the group that the group is in, and the member's power.
type Member = (String, String, f64);

/// The group that a group is in, and the power of each of its members.
type Members = (String, BTreeMap<String, f64>);

/// Of each group, the group that it is in, and its power.
fn power(
    members: &Stream<String, Member>,
    topic: &'static str,
    store: &'static str,
) -> Stream<Windowed<String>, (String, f64)> {
    members
        .repartition(Topic::new(topic, Utf8, Json))
        .group_by_key()
        .windowed_by(TimeWindows::tumbling(SIZE).grace(GRACE))
        .aggregate(Store::new(store, Utf8, Json), Members::default, |_, (member, outer, watts), members| {
            members.0 = outer;
            members.1.insert(member, watts);
        })
        .to_stream()
        .flat_map_values(|members| members.map(|(outer, powers)| (outer, powers.values().sum())))
}
