//! Instances that vanish between any two steps, in one thread and by one seed: the same run for the same seed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use millstream::broker::{Broker, Waker};
use millstream::topology::Define;
use millstream::worker::{Application, Instance, Options, Phase, Worker};
use millstream_memory::{ClientSettings, MemoryBroker};
use rand::Rng;
use rand::rngs::StdRng;

use crate::faults::{AbortedEvery, OffsetsOutside};

const INSTANCES: usize = 3;
const WORKERS: usize = 2;
/// After so many rounds, what does not come to rest never will.
const ROUNDS_MAX: usize = 2_000_000;
const STEPS_PER_ROUND: usize = 200;

/// What the broker does beside what it should.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Nothing.
    None,
    /// Commits positions outside of the transaction, and now and then nothing more.
    OffsetsOutside,
    /// Refuses commits, so that tasks go back and process again.
    Aborts,
}

/// A cluster of instances.
pub struct Simulation {
    cluster: MemoryBroker,
    group: String,
    applications: Vec<Arc<Application>>,
    fault: Fault,
    instances: Vec<Option<Stepped>>,
    now: i64,
    /// By instances that are gone.
    standby_records: u64,
}

struct Stepped {
    instance: Instance,
    workers: Vec<Worker>,
}

impl Stepped {
    fn standby_records(&self) -> u64 {
        self.instance.status().iter().map(|worker| worker.standby_records.load(Ordering::Relaxed)).sum()
    }
}

impl Simulation {
    /// Three instances, none of them started, of a topology whose internal topics are created. The options' instance id and
    /// number of workers are the simulation's own.
    pub fn new(cluster: &MemoryBroker, options: &Options, define: &Define, fault: Fault) -> Result<Simulation> {
        let applications = (0..INSTANCES).map(|index| {
            let instance_id = format!("instance-{index}");
            Application::new(Options { workers: WORKERS, instance_id, ..options.clone() }, define.clone())
        });
        let applications: Vec<_> = applications.collect::<Result<_, _>>()?;
        let group = options.application_id.clone();
        let broker = cluster.client(settings(&group));
        let plan = applications[0].plan(&*broker)?;
        applications[0].create_topics(&*broker, &plan)?;
        let instances = (0..INSTANCES).map(|_| None).collect();
        Ok(Simulation { cluster: cluster.clone(), group, applications, fault, instances, now: 0, standby_records: 0 })
    }

    /// A client of the group.
    pub fn client(&self) -> Arc<dyn Broker> {
        self.cluster.client(settings(&self.group))
    }

    fn start(&mut self, index: usize) -> Result<()> {
        let member_name = format!("instance-{index}-");
        let client = self.cluster.client(ClientSettings { member_name, ..settings(&self.group) });
        let broker = match self.fault {
            Fault::None => client,
            Fault::Aborts => Arc::new(AbortedEvery(client, 3)),
            Fault::OffsetsOutside => {
                Arc::new(OffsetsOutside { broker: client, pause: Duration::ZERO, fenced_every: Some(7) })
            }
        };
        let wakers: Vec<Waker> = (0..WORKERS).map(|_| Arc::new(|| ()) as Waker).collect();
        let (instance, seeds) = Instance::start(self.applications[index].clone(), broker, wakers)?;
        self.instances[index] = Some(Stepped { instance, workers: seeds.into_iter().map(Worker::from).collect() });
        Ok(())
    }

    /// Steps parts of instances, and lets time pass.
    pub fn run(&mut self, random: &mut StdRng, steps: usize) {
        for _ in 0..steps {
            self.step(random);
        }
    }

    fn step(&mut self, random: &mut StdRng) {
        if random.random_ratio(1, 20) {
            self.now += random.random_range(1..20);
            self.cluster.advance_to(self.now);
        }
        let index = random.random_range(0..INSTANCES);
        let Some(stepped) = &mut self.instances[index] else {
            return;
        };
        match random.random_range(0..=stepped.workers.len()) {
            0 => {
                if stepped.instance.step(Duration::ZERO) == Phase::Stopped {
                    let failure = stepped.instance.failure().map(str::to_owned);
                    assert_eq!(failure, None, "an instance failed");
                    self.drop_instance(index);
                }
            }
            worker => {
                stepped.workers[worker - 1].step(self.now);
            }
        }
    }

    /// Now and then starts an instance, stops one in order, or has one vanish.
    pub fn disturb(&mut self, random: &mut StdRng) -> Result<()> {
        let index = random.random_range(0..INSTANCES);
        match (&mut self.instances[index], random.random_range(0..10)) {
            (None, 0..=4) => self.start(index)?,
            (Some(_), 0..=1) => self.drop_instance(index),
            (Some(stepped), 2) => stepped.instance.stop(),
            _ => {}
        }
        Ok(())
    }

    fn drop_instance(&mut self, index: usize) {
        self.standby_records += self.instances[index].take().map_or(0, |stepped| stepped.standby_records());
    }

    /// How many records of changelogs were read for copies of tasks, and not for tasks.
    pub fn standby_records(&self) -> u64 {
        self.standby_records + self.instances.iter().flatten().map(Stepped::standby_records).sum::<u64>()
    }

    /// Runs every instance until all that there is has been processed.
    pub fn settle(&mut self, random: &mut StdRng) -> Result<()> {
        let broker = self.client();
        for _ in 0..ROUNDS_MAX {
            for index in 0..INSTANCES {
                if self.instances[index].is_none() {
                    self.start(index)?;
                }
            }
            self.run(random, STEPS_PER_ROUND);
            if let Some(stepped) = &mut self.instances[0]
                && stepped.instance.is_drained(&*broker)?
            {
                return Ok(());
            }
        }
        anyhow::bail!("the instances do not come to rest");
    }
}

fn settings(group: &str) -> ClientSettings {
    ClientSettings { session_timeout_ms: 500, transaction_timeout_ms: 1_000, ..ClientSettings::new(group) }
}
