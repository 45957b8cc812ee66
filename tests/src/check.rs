//! Compares the outputs with a plain fold over the input.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use millstream::broker::Broker;
use millstream::client::read_all;
use serde::Serialize;

use crate::workload::{Workload, bucket_of, name_of};

const PATIENCE: Duration = Duration::from_secs(90);

/// What was found. All but the first three are 0 when everything is exactly once and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Increments on the input topic.
    pub inputs: u64,
    /// Updates of counts on the output topic.
    pub outputs: u64,
    /// Updates of the second count on its output topic.
    pub bucket_outputs: u64,
    /// Increments without an output, in either count.
    pub lost: u64,
    /// Outputs beyond the first for an increment, in either count.
    pub doubled: u64,
    /// Outputs of a key that come before one with a smaller number.
    pub disordered: u64,
    /// Outputs whose count is not what a fold over the input gives.
    pub miscounted: u64,
    /// Outputs without the name that the join must find.
    pub unjoined: u64,
}

impl Findings {
    /// Whether nothing was lost, doubled, out of order or wrong.
    pub fn is_exactly_once(&self) -> bool {
        self.is_at_least_once() && self.doubled + self.disordered + self.miscounted == 0
    }

    /// Whether nothing was lost.
    pub fn is_at_least_once(&self) -> bool {
        self.lost + self.unjoined == 0
    }
}

/// Reads everything that is committed, and compares. The input itself is the truth: what is not on its topic counts not.
pub fn check(broker: &dyn Broker, workload: &Workload) -> Result<Findings> {
    let mut findings = Findings::default();
    let mut expected: BTreeMap<u64, i64> = BTreeMap::new();
    for read in read_all(broker, &workload.increments(), PATIENCE)? {
        findings.inputs += 1;
        *expected.entry(read.record.key).or_default() += 1;
    }
    check_counts(broker, workload, &expected, &mut findings)?;
    check_buckets(broker, workload, &expected, &mut findings)?;
    Ok(findings)
}

fn check_counts(
    broker: &dyn Broker,
    workload: &Workload,
    expected: &BTreeMap<u64, i64>,
    findings: &mut Findings,
) -> Result<()> {
    // For each key, how often each number has come, and the last one.
    let mut seen: BTreeMap<u64, (Vec<u32>, i64)> =
        expected.iter().map(|(key, count)| (*key, (vec![0; *count as usize], 0))).collect();
    for read in read_all(broker, &workload.counts(), PATIENCE)? {
        findings.outputs += 1;
        let (key, Some(counted)) = (read.record.key, read.record.value) else {
            findings.miscounted += 1;
            continue;
        };
        let Some((numbers, last)) = seen.get_mut(&key) else {
            findings.miscounted += 1;
            continue;
        };
        match numbers.get_mut(counted.number as usize - 1) {
            Some(times) => *times += 1,
            None => findings.miscounted += 1,
        }
        findings.disordered += u64::from(counted.number < *last);
        findings.miscounted += u64::from(counted.count != counted.number);
        findings.unjoined += u64::from(counted.name != Some(name_of(key)));
        *last = counted.number;
    }
    for (numbers, _) in seen.values() {
        findings.lost += numbers.iter().filter(|times| **times == 0).count() as u64;
        findings.doubled += numbers.iter().map(|times| u64::from(times.saturating_sub(1))).sum::<u64>();
    }
    Ok(())
}

fn check_buckets(
    broker: &dyn Broker,
    workload: &Workload,
    expected: &BTreeMap<u64, i64>,
    findings: &mut Findings,
) -> Result<()> {
    let mut totals: BTreeMap<u64, i64> = BTreeMap::new();
    for (key, count) in expected {
        *totals.entry(bucket_of(*key)).or_default() += count;
    }
    // For each bucket, how many outputs there were, and the last count.
    let mut seen: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for read in read_all(broker, &workload.bucket_counts(), PATIENCE)? {
        findings.bucket_outputs += 1;
        let (outputs, last) = seen.entry(read.record.key).or_default();
        let count = read.record.value.unwrap_or_default();
        // Each output is one more than the one before, unless something was counted twice or not written.
        findings.miscounted += u64::from(count != *last + 1);
        (*outputs, *last) = (*outputs + 1, count);
    }
    for (bucket, total) in totals {
        let (outputs, last) = seen.get(&bucket).copied().unwrap_or_default();
        findings.lost += (total - outputs.min(last)).max(0) as u64;
        findings.doubled += (outputs.max(last) - total).max(0) as u64;
    }
    Ok(())
}
