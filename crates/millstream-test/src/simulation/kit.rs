use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream::client::{ClientError, RecordWriter};
use millstream::dsl::TopologyBuilder;
use millstream::record::{Record, Timestamp};
use millstream::topic::Topic;
use millstream::topology::Define;
use millstream::worker::{Application, Moment, Options};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::cluster::Cluster;
use super::records::{Raw, raw_records};
use super::run::message_of;
use super::world::SharedWorld;
use super::{Odds, Random, Run};
use crate::ok;
use crate::topics::{create_own_topics, own_topics};

/// Runs a topology on simulated clusters, where whatever can go wrong does, and compares what comes out with what comes out
/// when nothing goes wrong.
///
/// The input is on its topics before an instance starts, and the run ends with it. Instances start, stop, vanish and stand
/// still; the broker restarts, commits are refused, answers are lost, members are thrown out: see [`Fault`](super::Fault). All
/// of it follows from the seed, so a seed that fails does so again.
///
/// ```
/// use millstream::prelude::*;
/// use millstream_test::Simulation;
///
/// let (orders, totals) = (Topic::<u64, i64>::new("orders", Be64, Be64), Topic::<u64, i64>::new("totals", Be64, Be64));
/// let (input, output) = (orders.clone(), totals.clone());
/// let topology = move |b: &TopologyBuilder| {
///     b.stream(&input).group_by_key().reduce(Store::new("totals", Be64, Be64), |a, b| a + b).to_stream().to(&output);
/// };
/// Simulation::of(topology).input(&orders, |random| (random.below(9), random.between(1, 100))).run(0..3);
/// ```
///
/// A topology whose results depend on the order in which records of different partitions are read is to be compared
/// [without order](Simulation::unordered), or [by a check of its own](Simulation::check):
///
/// ```
/// use millstream::prelude::*;
/// use millstream_test::Simulation;
///
/// let (orders, totals) = (Topic::<u64, i64>::new("orders", Be64, Be64), Topic::<u64, i64>::new("totals", Be64, Be64));
/// let (input, output) = (orders.clone(), totals.clone());
/// Simulation::of(move |b| {
///     let by_customer = b.stream(&input).group_by(Topic::new("by-customer", Be64, Be64), |order, _| order % 3);
///     by_customer.reduce(Store::new("totals", Be64, Be64), |a, b| a + b).to_stream().to(&output);
/// })
/// .input(&orders, |random| (random.below(1_000), random.between(1, 100)))
/// .check(move |run| {
///     let ordered: i64 = run.records(&orders).into_iter().filter_map(|record| record.value).sum();
///     let mut last = std::collections::BTreeMap::new();
///     run.records(&totals).into_iter().for_each(|record| _ = last.insert(record.key, record.value.unwrap()));
///     assert_eq!(last.values().sum::<i64>(), ordered);
/// })
/// .run(0..3);
/// ```
pub struct Simulation {
    define: Define,
    options: Options,
    partitions: i32,
    instances: usize,
    records: usize,
    inputs: Vec<WriteOne>,
    load: Option<Load>,
    check: Option<Check>,
    odds: Option<ChangeOdds>,
    is_ordered: bool,
    is_calm: bool,
    is_traced: bool,
}

type WriteOne = Box<dyn Fn(&mut RecordWriter, &mut Random, Timestamp) -> Result<(), ClientError>>;
type Load = Box<dyn Fn(&mut RecordWriter, &mut Random) -> Result<(), ClientError>>;
type Check = Box<dyn Fn(&Run)>;
type ChangeOdds = Box<dyn Fn(&mut Odds)>;

impl Simulation {
    /// Of this topology: exactly once, on topics of 3 partitions, by up to 3 instances of 2 workers.
    pub fn of(define: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        let options = Options {
            workers: 2,
            commit_interval_ms: 20,
            // What is late must not depend on when instances were there.
            idle_timeout_ms: 0,
            watermark_interval_ms: 5,
            repartition_purge_interval_ms: 100,
            parked_ms: 2_000,
            until: Some(Moment::End),
            ..Options::new("simulation", "any")
        };
        Simulation {
            define: Arc::new(define),
            options,
            partitions: 3,
            instances: 3,
            records: 200,
            inputs: Vec::new(),
            load: None,
            check: None,
            odds: None,
            is_ordered: true,
            is_calm: false,
            is_traced: false,
        }
    }

    /// Writes records to a topic, each as the numbers of the seed say. Time goes on by up to 10 ms from one to the next; those of
    /// several inputs take turns.
    pub fn input<K: 'static, V: 'static>(
        mut self,
        topic: &Topic<K, V>,
        record: impl Fn(&mut Random) -> (K, V) + 'static,
    ) -> Self {
        let topic = topic.clone();
        self.inputs.push(Box::new(move |writer, random, timestamp| {
            let (key, value) = record(random);
            writer.send(&topic, &Record::new(key, Some(value), timestamp))
        }));
        self
    }

    /// Writes other input first: with times of its own, null values, or in an order of its own.
    pub fn load(mut self, load: impl Fn(&mut RecordWriter, &mut Random) -> Result<(), ClientError> + 'static) -> Self {
        self.load = Some(Box::new(load));
        self
    }

    /// How many records each input gets; 200 if this is not said.
    pub fn records(mut self, records: usize) -> Self {
        self.records = records;
        self
    }

    /// How many partitions topics have.
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Changes how the topology is run. Results are compared as they are exactly once; at least once needs a check of its own.
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Changes which faults there are, once a seed has drawn them: 0 is never.
    pub fn odds(mut self, change: impl Fn(&mut Odds) + 'static) -> Self {
        self.odds = Some(Box::new(change));
        self
    }

    /// Nothing goes wrong; a seed then decides input and order alone.
    pub fn calm(mut self) -> Self {
        self.is_calm = true;
        self
    }

    /// Each key's records are compared without their order and their times: behind a repartition topic both depend on which
    /// of two partitions is read first.
    pub fn unordered(mut self) -> Self {
        self.is_ordered = false;
        self
    }

    /// Checks each run by this, which is to panic, and compares nothing else.
    pub fn check(mut self, check: impl Fn(&Run) + 'static) -> Self {
        self.check = Some(Box::new(check));
        self
    }

    /// Tells what happened, a line each, when a seed fails.
    pub fn traced(mut self) -> Self {
        self.is_traced = true;
        self
    }

    /// Runs each seed.
    ///
    /// # Panics
    /// At the first seed that fails, with what is wrong.
    pub fn run(self, seeds: Range<u64>) {
        for seed in seeds {
            let run = self.run_seed(seed);
            let checked = catch_unwind(AssertUnwindSafe(|| match &self.check {
                Some(check) => check(&run),
                None => self.compare(&run),
            }));
            if let Err(panic) = checked {
                panic!("seed {seed}: {}\n  again: .run({seed}..{})", message_of(&*panic), seed + 1);
            }
        }
    }

    /// Runs one seed to its end, and checks nothing.
    ///
    /// # Panics
    /// If an instance fails, or they do not come to rest.
    pub fn run_seed(&self, seed: u64) -> Run {
        self.run_once(seed, self.is_calm)
    }

    fn run_once(&self, seed: u64, is_calm: bool) -> Run {
        let mut random = Random::of(seed);
        let mut input = random.fork();
        let mut odds = if is_calm { Odds::calm() } else { Odds::draw(&mut random) };
        self.odds.iter().filter(|_| !is_calm).for_each(|change| change(&mut odds));
        let world = SharedWorld::new(random.fork(), odds, self.is_traced);
        let run = catch_unwind(AssertUnwindSafe(|| self.run_in(seed, &world, &mut input, &mut random, is_calm)));
        let run = run.unwrap_or_else(|panic| Err(format!("panic: {}", message_of(&*panic))));
        run.unwrap_or_else(|error| {
            panic!("{}seed {seed}: {error}\n  again: .run({seed}..{})", world.get().take_trace(), seed + 1)
        })
    }

    fn run_in(
        &self,
        seed: u64,
        world: &SharedWorld,
        input: &mut Random,
        random: &mut Random,
        is_calm: bool,
    ) -> Result<Run, String> {
        let cluster = MemoryBroker::new();
        let broker = cluster.client(ClientSettings::new("simulation"));
        let application = Application::new(self.options.clone(), self.define.clone()).map_err(|e| e.to_string())?;
        create_own_topics(&application, &*broker, &own_topics(&application.topology), self.partitions)
            .map_err(|error| error.to_string())?;
        let mut writer = RecordWriter::new(&*broker).map_err(|error| error.to_string())?;
        self.write(&mut writer, input).map_err(|error| error.to_string())?;
        let instances = if is_calm { 1 } else { self.instances };
        let mut cluster = Cluster::new(&cluster, world, random.fork(), &self.options, &self.define, instances)?;
        if !is_calm {
            cluster.run(random.between(1_000, 8_000) as usize)?;
        }
        cluster.settle()?;
        let faults = world.get().counts.clone();
        Ok(Run { seed, broker, topology: application.topology.clone(), faults })
    }

    fn write(&self, writer: &mut RecordWriter, random: &mut Random) -> Result<(), ClientError> {
        self.load.iter().try_for_each(|load| load(writer, random))?;
        let mut time = 1_000;
        for _ in 0..self.records {
            for write in &self.inputs {
                time += random.between(0, 11);
                write(writer, random, time)?;
            }
        }
        Ok(())
    }

    /// Compares the outputs with those of the same input when nothing goes wrong.
    fn compare(&self, run: &Run) {
        let expected = self.run_once(run.seed, true);
        let sources = run.topology.source_topics();
        for topic in own_topics(&run.topology).iter().filter(|topic| !sources.iter().any(|source| **source == **topic))
        {
            let (found, expected) = (self.by_key(run, topic), self.by_key(&expected, topic));
            for key in found.keys().chain(expected.keys()) {
                let (found, expected) = (found.get(key), expected.get(key));
                let text = key.as_deref().map_or("null".to_owned(), |key| key.escape_ascii().to_string());
                assert_eq!(found, expected, "topic {topic}, key {text}: left is found, right is expected");
            }
        }
    }

    fn by_key(&self, run: &Run, topic: &str) -> BTreeMap<Option<Vec<u8>>, Vec<Raw>> {
        let mut by_key: BTreeMap<_, Vec<Raw>> = BTreeMap::new();
        for raw in ok(raw_records(run.broker(), topic)).into_iter().flatten() {
            by_key.entry(raw.key.clone()).or_default().push(raw);
        }
        if !self.is_ordered {
            for records in by_key.values_mut() {
                records.iter_mut().for_each(|raw| raw.timestamp = 0);
                records.sort();
            }
        }
        by_key
    }
}
