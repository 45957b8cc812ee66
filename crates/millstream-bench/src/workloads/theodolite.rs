//! Theodolite's use cases: power measurements of sensors. Measurements have a fixed binary form here, and not Avro's: what is
//! compared is not how fast Avro is read.

use std::sync::Arc;
use std::time::Duration;

use millstream::prelude::*;
use serde::{Deserialize, Serialize};

use super::words::{Fixed, Reading, Statistics};
use super::{Compared, STATEFUL, STATELESS_IN_JAVA, STORE, Workload};
use crate::inputs::{FEW_MEASUREMENTS, MEASUREMENTS};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR_MS: i64 = 3_600_000;

/// Nothing is late: what would be depends on which partition is read faster.
const GRACE: Duration = DAY;

pub(super) static UC1: Workload = Workload {
    name: "theodolite-uc1",
    about: "Theodolite UC1: each measurement of a sensor is written as JSON.",
    inputs: &[&MEASUREMENTS],
    contestants: STATELESS_IN_JAVA,
    topology: |topics| {
        let input = Topic::<String, Reading>::new(&*topics.inputs[0], Utf8, Fixed);
        let output = Topic::new(&*topics.output, Utf8, Json);
        Arc::new(move |b| {
            let to_json = |sensor: String, Reading { time, watts }| {
                let document = Document { identifier: sensor.clone(), timestamp: time, value_in_w: watts };
                (sensor, document)
            };
            b.stream(&input).map(to_json).to(&output);
        })
    },
    has_changelog: false,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};

/// What UC1 writes.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    identifier: String,
    timestamp: i64,
    value_in_w: f64,
}

pub(super) static UC2: Workload = Workload {
    name: "theodolite-uc2",
    about: "Theodolite UC2: count, mean, variance, least and most of each sensor in tumbling windows of a minute; each \
            measurement writes the new ones.",
    inputs: &[&MEASUREMENTS],
    contestants: STATEFUL,
    topology: |topics| {
        let input = Topic::<String, Reading>::new(&*topics.inputs[0], Utf8, Fixed);
        let output = Topic::new(&*topics.output, TimeWindowed::new(Utf8, MINUTE.as_millis() as i64), Fixed);
        Arc::new(move |b| statistics(b.stream(&input).group_by_key(), TimeWindows::tumbling(MINUTE), &output))
    },
    has_changelog: true,
    has_repartitions: false,
    restores: false,
    compared: Compared::Records,
};

pub(super) static UC3: Workload = Workload {
    name: "theodolite-uc3",
    about: "Theodolite UC3: the same for each sensor and hour of the day, in windows of 30 days that slide by one: thirty outputs \
            a measurement, of which there are a tenth as many.",
    inputs: &[&FEW_MEASUREMENTS],
    topology: |topics| {
        let input = Topic::<String, Reading>::new(&*topics.inputs[0], Utf8, Fixed);
        let output = Topic::new(&*topics.output, TimeWindowed::new(Utf8, 30 * DAY.as_millis() as i64), Fixed);
        Arc::new(move |b| {
            let hour_of_day =
                |sensor: &String, reading: &Reading| format!("{sensor} {}", (reading.time / HOUR_MS).rem_euclid(24));
            let by_hour = b.stream(&input).group_by(Topic::new("by-hour", Utf8, Fixed), hour_of_day);
            statistics(by_hour, TimeWindows::hopping(30 * DAY, DAY), &output);
        })
    },
    has_repartitions: true,
    ..UC2
};

fn statistics(
    readings: GroupedStream<String, Reading>,
    windows: TimeWindows,
    output: &Topic<Windowed<String>, Statistics>,
) {
    let store = Store::new(STORE, Utf8, Fixed);
    let add = |_: &String, reading: Reading, statistics: &mut Statistics| statistics.add(reading.watts);
    let windowed = readings.windowed_by(windows.grace(GRACE));
    windowed.aggregate(store, Statistics::default, add).to_stream().to(output);
}
