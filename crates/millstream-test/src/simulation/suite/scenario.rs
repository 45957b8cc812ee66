//! What a seed's run is made of: topology, options, input.

use millstream::client::{ClientError, RecordWriter};
use millstream::partitioner::partition_of;
use millstream::record::{Record, Timestamp};
use millstream::worker::{Guarantee, Moment, Options};

use super::workload::{DISORDER_MS, Event, Shape, WINDOW_MS, events, names};
use crate::simulation::Random;

/// A record of the input.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Name(u64, Option<String>, Timestamp),
    Event(u64, Event, Timestamp),
}

pub(super) struct Scenario {
    pub(super) shape: Shape,
    pub(super) partitions: i32,
    pub(super) instances: usize,
    pub(super) options: Options,
    /// Whether all input is there before the first instance starts, and the run ends with it.
    pub(super) is_bounded: bool,
    pub(super) input: Vec<Written>,
}

impl Written {
    pub(super) fn write(&self, writer: &mut RecordWriter) -> Result<(), ClientError> {
        match self {
            Written::Name(key, name, timestamp) => writer.send(&names(), &Record::new(*key, name.clone(), *timestamp)),
            Written::Event(key, event, timestamp) => {
                writer.send(&events(), &Record::new(*key, Some(*event), *timestamp))
            }
        }
    }

    pub(super) fn key(&self) -> u64 {
        match self {
            Written::Name(key, ..) | Written::Event(key, ..) => *key,
        }
    }
}

/// The partition that a key's records lie in.
pub(super) fn partition(key: u64, partitions: i32) -> i32 {
    partition_of(&key.to_be_bytes(), partitions)
}

impl Scenario {
    pub(super) fn draw(random: &mut Random) -> Scenario {
        let partitions = random.between(1, 5) as i32;
        let shape = Shape {
            join: random.one_in(2),
            compacted: random.one_in(2),
            totals: random.one_in(2),
            windows: random.one_in(2),
            own_windows: random.one_in(3),
        };
        let is_bounded = random.one_in(2);
        let guarantee = if random.one_in(4) { Guarantee::AtLeastOnce } else { Guarantee::ExactlyOnce };
        let options = Options {
            workers: 1 + random.index(2),
            guarantee,
            commit_interval_ms: *random.pick(&[0, 5, 20, 80]),
            until: is_bounded.then_some(Moment::End),
            // What is late must not depend on when instances were there.
            idle_timeout_ms: 0,
            watermark_interval_ms: *random.pick(&[0, 5, 50]),
            buffered_records_per_partition: *random.pick(&[3, 1000]),
            repartition_purge_interval_ms: *random.pick(&[10, 100, 1_000]),
            parked_ms: *random.pick(&[100, 1_000, 10_000]),
            ..Options::new("suite", "any")
        };
        let instances = 1 + random.index(3);
        let input = draw_input(random, shape, partitions, is_bounded);
        let standby_replicas = *random.pick(&[0, 0, 1, 2]);
        let options = Options { standby_replicas, ..options };
        Scenario { shape, partitions, instances, options, is_bounded, input }
    }
}

fn draw_input(random: &mut Random, shape: Shape, partitions: i32, is_bounded: bool) -> Vec<Written> {
    let (keys, count) = (random.between(1, 20) as u64, random.between(100, 400));
    let mut input = Vec::new();
    if shape.join {
        input
            .extend((0..keys).filter(|key| key % 5 != 4).map(|key| Written::Name(key, Some(format!("name {key}")), 0)));
    }
    let mut numbers = vec![0; keys as usize];
    let mut time = 1_000;
    let event = |numbers: &mut Vec<i64>, key: u64, amount: i64, time: Timestamp| {
        if numbers.len() <= key as usize {
            numbers.resize(key as usize + 1, 0);
        }
        numbers[key as usize] += 1;
        Written::Event(key, (numbers[key as usize], amount), time)
    };
    // How far time goes on from one record to the next.
    let pace = *random.pick(&[1, 5, 30]);
    for _ in 0..count {
        time += random.between(0, pace + 1);
        let key = random.below(keys);
        // While events are read live, which update of the table one meets depends on when both are read. And of a topic that is
        // compacted some would never be read.
        if shape.join && is_bounded && !shape.compacted && random.one_in(10) {
            let name = (!random.one_in(4)).then(|| format!("name {key} at {time}"));
            input.push(Written::Name(key, name, time));
        }
        let late = random.between(0, DISORDER_MS);
        let amount = random.between(0, 100);
        input.push(event(&mut numbers, key, amount, time - late));
    }
    if !is_bounded {
        // Every task comes to a time at which all windows before are over.
        time += 10 * WINDOW_MS;
        for number in 0..partitions {
            if let Some(key) = (1_000..).find(|key| partition(*key, partitions) == number) {
                input.push(event(&mut numbers, key, 1, time));
            }
        }
    }
    input
}
