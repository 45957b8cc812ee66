//! Power measurements of sensors, as Theodolite's.

use std::fmt::Write;

use anyhow::Result;
use millstream::broker::Producer;

use super::bids::{START_MS, mixed};
use super::load::load_all;
use crate::parameters::Sizes;

/// How many sensors there are.
pub(super) const SENSORS: u64 = 1_000;

/// How often each one is read, in ms.
const PERIOD_MS: u64 = 10_000;

/// The groups of sensors, and the groups that these are in.
const GROUPS: u64 = 100;
const OUTER_GROUPS: u64 = 10;

/// How many measurements a workload gets that has thirty outputs for each.
pub(super) fn few(sizes: &Sizes) -> u64 {
    sizes.records.div_ceil(10)
}

pub(super) fn load(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    load_measurements(producer, sizes.records)
}

pub(super) fn load_few(producer: &mut dyn Producer, sizes: &Sizes) -> Result<()> {
    load_measurements(producer, few(sizes))
}

/// Each sensor in turn. The key is the sensor's name; the value its time in ms and its power in watts, a whole number and a floating
/// point number of 8 bytes, big-endian.
fn load_measurements(producer: &mut dyn Producer, records: u64) -> Result<()> {
    load_all(producer, records, |number, key, value| {
        let (sensor, turn) = (number % SENSORS, number / SENSORS);
        let time = START_MS + (turn * PERIOD_MS + sensor * PERIOD_MS / SENSORS) as i64;
        // Writing into a String cannot fail.
        let _ = write!(key, "s_{sensor}");
        value.extend_from_slice(&time.to_be_bytes());
        value.extend_from_slice(&watts(number).to_be_bytes());
        time
    })
}

/// Up to 1,000 W in eighths: sums, and sums of squares, are exact in any order.
fn watts(number: u64) -> f64 {
    (mixed(number) % 8_000) as f64 / 8.0
}

/// Of each sensor, the group that it is in, and the one that this is in.
pub(super) fn load_groups(producer: &mut dyn Producer, _: &Sizes) -> Result<()> {
    load_all(producer, SENSORS, |sensor, key, value| {
        let group = sensor % GROUPS;
        // Writing into a String cannot fail.
        let _ = write!(key, "s_{sensor}");
        value.extend_from_slice(format!("g_{group},o_{}", group % OUTER_GROUPS).as_bytes());
        START_MS - 1000
    })
}
