//! The project's own simulation: a seed decides topology, options, input and faults, and a plain fold over the input says
//! what must come out.

mod check;
mod fold;
mod scenario;
mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream::client::RecordWriter;
use millstream::topology::Define;
use millstream::worker::Guarantee;
use millstream_memory::{ClientSettings, MemoryBroker};

use self::check::Observer;
use self::fold::fold;
use self::scenario::Scenario;
use super::cluster::Cluster;
use super::run::message_of;
use super::world::SharedWorld;
use super::{FaultCounts, Odds, Random};
use crate::topics::{create_own_topics, own_topics};

/// What came of a seed.
pub struct Outcome {
    /// How often each class of fault occurred.
    pub faults: FaultCounts,
    /// What is wrong, if something is.
    pub failure: Option<String>,
    /// What happened, a line each, if that was asked for.
    pub trace: String,
    /// What the seed's run is made of.
    pub about: String,
}

/// Runs one seed.
pub fn run_seed(seed: u64, traced: bool) -> Outcome {
    let mut random = Random::of(seed);
    let scenario = Scenario::draw(&mut random);
    let mut odds = Odds::draw(&mut random);
    if scenario.options.guarantee == Guarantee::AtLeastOnce && random.one_in(2) {
        // Nobody goes on beside the new owner of its partitions: then state is never behind, too.
        (odds.pause, odds.rebalance) = (0, 0);
    }
    let world = SharedWorld::new(random.fork(), odds.clone(), traced);
    let may_overlap = odds.pause > 0 || odds.rebalance > 0;
    let run = || run(&scenario, &mut random, &world, may_overlap);
    let failure = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.err(),
        Err(panic) => Some(format!("panic: {}", message_of(&*panic))),
    };
    let Scenario { shape, partitions, instances, options, is_bounded, input } = &scenario;
    let (guarantee, workers) = (options.guarantee, options.workers);
    let about = format!(
        "{shape:?}, {partitions} partitions, {instances} instances of {workers} workers, {guarantee:?}, commits every {} \
         ms, bounded: {is_bounded}, {} records; {odds:?}",
        options.commit_interval_ms,
        input.len(),
    );
    let mut world = world.get();
    Outcome { faults: world.counts.clone(), failure, trace: world.take_trace(), about }
}

fn run(scenario: &Scenario, random: &mut Random, world: &SharedWorld, may_overlap: bool) -> Result<(), String> {
    let broker = MemoryBroker::new();
    let shape = scenario.shape;
    let define: Define = Arc::new(move |b| workload::define(b, shape));
    let loader = broker.client(ClientSettings::new("load"));
    let error = |error: &dyn std::fmt::Display| error.to_string();
    let application = millstream::worker::Application::new(scenario.options.clone(), define.clone());
    let application = application.map_err(|e| error(&e))?;
    create_own_topics(&application, &*loader, &own_topics(&application.topology), scenario.partitions)
        .map_err(|e| error(&e))?;
    let mut cluster = Cluster::new(&broker, world, random.fork(), &scenario.options, &define, scenario.instances)?;

    let mut writer = RecordWriter::new(&*loader).map_err(|e| error(&e))?;
    let names = scenario.input.iter().take_while(|written| matches!(written, scenario::Written::Name(..))).count();
    let first = if scenario.is_bounded { scenario.input.len() } else { names };
    let (before, live) = scenario.input.split_at(first);
    before.iter().try_for_each(|written| written.write(&mut writer)).map_err(|e| error(&e))?;
    let mut observer = Observer::new(&*loader)?;
    let watches = scenario.options.guarantee == Guarantee::ExactlyOnce;

    let (mut live, mut chunks) = (live.iter(), random.between(10, 40));
    loop {
        let steps = random.between(1, 300);
        cluster.run(steps as usize)?;
        if !world.get().is_away {
            let some = random.between(1, 60) as usize;
            live.by_ref().take(some).try_for_each(|written| written.write(&mut writer)).map_err(|e| error(&e))?;
            if watches {
                observer.look(broker.held_markers() == 0 && broker.open_transactions().is_empty())?;
            }
        }
        chunks -= 1;
        if chunks <= 0 && live.len() == 0 {
            break;
        }
    }
    cluster.settle()?;
    if watches {
        observer.look(true)?;
    }
    check::check(&*loader, scenario, &fold(scenario), may_overlap)
}

/// The hash (FNV-1a) of a trace: equal for equal runs.
pub fn hash_of(trace: &str) -> u64 {
    trace.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
