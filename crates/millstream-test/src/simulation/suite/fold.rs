//! What must come out: a plain fold over the input.

use std::collections::{BTreeMap, VecDeque};

use millstream::record::Timestamp;

use super::scenario::{Scenario, Written, partition};
use super::workload::{Counted, WINDOW_MS, group_of};

/// What must come out.
#[derive(Default)]
pub(super) struct Expected {
    /// Each key's counts, in order.
    pub(super) counts: BTreeMap<u64, Vec<Counted>>,
    /// Each group's last total.
    pub(super) totals: BTreeMap<u64, (i64, i64)>,
    /// For each group and start of a window that is over, how many events it had.
    pub(super) windows: BTreeMap<(u64, Timestamp), i64>,
    pub(super) own_windows: BTreeMap<(u64, Timestamp), i64>,
}

pub(super) fn fold(scenario: &Scenario) -> Expected {
    let mut expected = Expected::default();
    let last = scenario.input.iter().filter_map(|written| match written {
        Written::Event(_, _, timestamp) => Some(*timestamp),
        Written::Name(..) => None,
    });
    // In a run without an end, the last windows stay open.
    let open_from = if scenario.is_bounded { Timestamp::MAX } else { last.max().unwrap_or(0) - WINDOW_MS };
    for number in 0..scenario.partitions {
        let here = scenario.input.iter().filter(|written| partition(written.key(), scenario.partitions) == number);
        let (mut table, mut events): (VecDeque<&Written>, VecDeque<&Written>) =
            here.partition(|written| matches!(written, Written::Name(..)));
        let mut names: BTreeMap<u64, String> = BTreeMap::new();
        // The record with the smaller time goes first; of equal ones that of the table.
        while let Some(Written::Event(key, (number, amount), timestamp)) = events.front() {
            if let Some(Written::Name(key, name, at)) = table.front()
                && at <= timestamp
            {
                match name {
                    Some(name) => names.insert(*key, name.clone()),
                    None => names.remove(key),
                };
                table.pop_front();
                continue;
            }
            events.pop_front();
            let counts = expected.counts.entry(*key).or_default();
            let (number, amount, name) = (*number, *amount, names.get(key).cloned());
            counts.push(Counted { count: counts.len() as i64 + 1, number, amount, name });
            let total = expected.totals.entry(group_of(*key)).or_default();
            *total = (total.0 + 1, total.1 + amount);
            let start = timestamp - timestamp.rem_euclid(WINDOW_MS);
            if start <= open_from {
                *expected.windows.entry((group_of(*key), start)).or_default() += 1;
                *expected.own_windows.entry((*key, start)).or_default() += 1;
            }
        }
    }
    expected
}
