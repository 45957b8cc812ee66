//! Compares what came out with what must.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use millstream::broker::Broker;
use millstream::record::{Record, Timestamp};
use millstream::serde::{Be64, Json};
use millstream::topic::Topic;
use millstream::window::Windowed;
use millstream::worker::Guarantee;

use super::fold::Expected;
use super::scenario::Scenario;
use super::workload::{Counted, counts, mirror, own_windows, totals, windows};
use crate::simulation::records::{Follower, Raw, raw_records, typed};

fn read<K: 'static, V: 'static>(broker: &dyn Broker, topic: &Topic<K, V>) -> Result<Vec<Record<K, Option<V>>>, String> {
    let partitions = raw_records(broker, topic.name()).map_err(|error| error.to_string())?;
    let records = partitions.iter().flatten().map(|raw| typed(topic, raw));
    records.collect::<Result<_, _>>().map_err(|error| format!("{}: {error}", topic.name()))
}

/// Each key's values, in their order; a null value is an error.
fn by_key<K: Ord + Debug + 'static, V: 'static>(
    broker: &dyn Broker,
    topic: &Topic<K, V>,
) -> Result<BTreeMap<K, Vec<V>>, String> {
    let mut values: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for Record { key, value, .. } in read(broker, topic)? {
        let value = value.ok_or_else(|| format!("{}: key {key:?} was deleted", topic.name()))?;
        values.entry(key).or_default().push(value);
    }
    Ok(values)
}

/// The last value of each key of a changelog.
fn rows<K: Hash + Ord + 'static, V: 'static>(
    broker: &dyn Broker,
    topic: &Topic<K, V>,
) -> Result<BTreeMap<K, V>, String> {
    let mut rows = BTreeMap::new();
    for Record { key, value, .. } in read(broker, topic)? {
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }
    Ok(rows)
}

fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}

/// Whether the two lists are the same; if not, the first place where they differ.
fn same_lists<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    found: &BTreeMap<K, Vec<V>>,
    expected: &BTreeMap<K, Vec<V>>,
) -> Result<(), String> {
    for key in found.keys().chain(expected.keys()) {
        let of = |lists: &BTreeMap<K, Vec<V>>, index: usize| -> Option<String> {
            lists.get(key).and_then(|list| list.get(index)).map(|value| format!("{value:?}"))
        };
        let (found_count, count) = (found.get(key).map_or(0, Vec::len), expected.get(key).map_or(0, Vec::len));
        for index in 0..found_count.max(count) {
            let what = format!("{what} of key {key:?} at {index} ({found_count} of {count})");
            same(&what, &of(found, index), &of(expected, index))?;
        }
    }
    Ok(())
}

/// Whether the two maps are the same; if not, the first key where they differ.
fn same_maps<K: Ord + Debug, V: PartialEq + Debug>(
    what: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> Result<(), String> {
    let keys = found.keys().chain(expected.keys());
    let mut different = keys.filter(|key| found.get(key) != expected.get(key));
    match different.next() {
        None => Ok(()),
        Some(key) => same(&format!("{what}, {key:?}"), &found.get(key), &expected.get(key)),
    }
}

/// `may_overlap`: whether a member that was thrown out may have gone on beside the new owner of its partitions. Without
/// transactions nothing keeps it from writing older rows of state after newer ones, as in Kafka Streams; then only results of
/// single records are never lost.
pub(super) fn check(
    broker: &dyn Broker,
    scenario: &Scenario,
    expected: &Expected,
    may_overlap: bool,
) -> Result<(), String> {
    match scenario.options.guarantee {
        Guarantee::ExactlyOnce => exactly_once(broker, scenario, expected),
        Guarantee::AtLeastOnce => {
            results_at_least_once(broker, expected)?;
            if may_overlap { Ok(()) } else { state_at_least_once(broker, scenario, expected) }
        }
    }
}

/// Each result once, each key's in order, and the state with them.
fn exactly_once(broker: &dyn Broker, scenario: &Scenario, expected: &Expected) -> Result<(), String> {
    same_lists("counts", &by_key(broker, &counts())?, &expected.counts)?;
    same_lists("mirror", &by_key(broker, &mirror())?, &expected.counts)?;
    let last: BTreeMap<u64, Counted> =
        expected.counts.iter().filter_map(|(key, counts)| Some((*key, counts.last()?.clone()))).collect();
    same_maps("the changelog of counts", &rows(broker, &changelog("counts"))?, &last)?;
    if scenario.shape.totals {
        let found = by_key(broker, &totals())?;
        for (group, totals) in &found {
            for (number, total) in (1..).zip(totals) {
                same(&format!("a count of group {group}"), &total.0, &number)?;
            }
        }
        let last = found.into_iter().filter_map(|(group, totals)| Some((group, *totals.last()?))).collect();
        same_maps("totals", &last, &expected.totals)?;
        let changelog: BTreeMap<u64, (i64, i64)> = rows(broker, &changelog_of_totals())?;
        same_maps("the changelog of totals", &changelog, &expected.totals)?;
    }
    for (wanted, topic, expected) in [
        (scenario.shape.windows, windows(), &expected.windows),
        (scenario.shape.own_windows, own_windows(), &expected.own_windows),
    ] {
        if wanted {
            let once = expected.iter().map(|(window, count)| (*window, vec![*count])).collect();
            same_lists(topic.name(), &windowed(broker, &topic)?, &once)?;
        }
    }
    Ok(())
}

/// Each record has its result.
fn results_at_least_once(broker: &dyn Broker, expected: &Expected) -> Result<(), String> {
    for topic in [counts(), mirror()] {
        let found = by_key(broker, &topic)?;
        for (key, counts) in &expected.counts {
            let found = found.get(key).map_or(&[][..], Vec::as_slice);
            for Counted { number, .. } in counts {
                if !found.iter().any(|counted| counted.number == *number) {
                    return Err(format!("{}: event {number} of key {key} is lost", topic.name()));
                }
            }
        }
    }
    Ok(())
}

/// Each record is part of what is counted.
fn state_at_least_once(broker: &dyn Broker, scenario: &Scenario, expected: &Expected) -> Result<(), String> {
    let rows: BTreeMap<u64, Counted> = rows(broker, &changelog("counts"))?;
    for (key, counts) in &expected.counts {
        at_least(&format!("row {key} of counts"), rows.get(key).map(|c| c.count), counts.len() as i64)?;
    }
    if scenario.shape.totals {
        let found = by_key(broker, &totals())?;
        for (group, (count, _)) in &expected.totals {
            let last = found.get(group).and_then(|totals| totals.last());
            at_least(&format!("total of group {group}"), last.map(|total| total.0), *count)?;
        }
    }
    for (wanted, topic, expected) in [
        (scenario.shape.windows, windows(), &expected.windows),
        (scenario.shape.own_windows, own_windows(), &expected.own_windows),
    ] {
        let found = if wanted { windowed(broker, &topic)? } else { continue };
        for (window, count) in expected {
            let most = found.get(window).and_then(|counts| counts.iter().max());
            at_least(&format!("{} {window:?}", topic.name()), most.copied(), *count)?;
        }
    }
    Ok(())
}

fn at_least(what: &str, found: Option<i64>, least: i64) -> Result<(), String> {
    if found.is_some_and(|found| found >= least) { Ok(()) } else { Err(format!("{what}: {found:?} of {least}")) }
}

fn changelog(store: &str) -> Topic<u64, Counted> {
    Topic::new(format!("suite-{store}-changelog"), Be64, Json)
}

fn changelog_of_totals() -> Topic<u64, (i64, i64)> {
    Topic::new("suite-totals-changelog", Be64, Json)
}

type ByWindow = BTreeMap<(u64, Timestamp), Vec<i64>>;

fn windowed(broker: &dyn Broker, topic: &Topic<Windowed<u64>, i64>) -> Result<ByWindow, String> {
    let mut counts = ByWindow::new();
    for Record { key, value, .. } in read(broker, topic)? {
        let value = value.ok_or_else(|| format!("{}: {key:?} was deleted", topic.name()))?;
        counts.entry((key.key, key.window.start)).or_default().push(value);
    }
    Ok(counts)
}

/// Looks at two topics that each transaction writes the same to.
pub(super) struct Observer {
    counts: Follower,
    mirror: Follower,
    compared: Vec<usize>,
}

impl Observer {
    pub(super) fn new(broker: &dyn Broker) -> Result<Self, String> {
        let follow = |topic: &str| Follower::new(broker, topic).map_err(|error| error.to_string());
        let (counts, mirror) = (follow(counts().name())?, follow(mirror().name())?);
        let compared = vec![0; counts.partitions.len()];
        Ok(Observer { counts, mirror, compared })
    }

    /// At any moment both are the same, but that what is on its way to one partition may be missing there.
    pub(super) fn look(&mut self, is_all_there: bool) -> Result<(), String> {
        for follower in [&mut self.counts, &mut self.mirror] {
            follower.read().map_err(|error| error.to_string())?;
        }
        let partitions = self.counts.partitions.iter().zip(&self.mirror.partitions).zip(&mut self.compared);
        for (number, ((counts, mirror), compared)) in partitions.enumerate() {
            let both = counts.len().min(mirror.len());
            let differs = (*compared..both).find(|index| counts[*index] != mirror[*index]);
            if let Some(index) = differs {
                let (left, right): (&Raw, &Raw) = (&counts[index], &mirror[index]);
                return Err(format!("a transaction was not whole: partition {number}, {left:?} and {right:?}"));
            }
            if is_all_there && counts.len() != mirror.len() {
                let (left, right) = (counts.len(), mirror.len());
                return Err(format!("a transaction was not whole: partition {number} has {left} and {right} records"));
            }
            *compared = both;
        }
        Ok(())
    }
}
