use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use millstream::broker::Broker;
use millstream::worker::{Application, Options};
use millstream_kafka::KafkaBroker;
use millstream_local_kafka::LocalKafka;
use millstream_tests::cluster::{settings, unique};

use crate::instance::Manner;
use crate::instances::Instances;
use crate::report::say;
use crate::steady::{Clock, Input, PARTITIONS, Steady};
use crate::tail::{Seen, Tail};

/// What is measured on.
#[derive(Args)]
pub(crate) struct Scale {
    #[command(flatten)]
    pub(crate) manner: Manner,
    /// How many keys the state has.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) keys: u64,
    /// How many instances there are.
    #[arg(long, default_value_t = 3)]
    pub(crate) instances: usize,
    /// How many records are written a second.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) rate: u64,
    /// How often it is measured.
    #[arg(long, default_value_t = 20)]
    pub(crate) runs: usize,
    /// How many copies of each task's state other instances keep.
    #[arg(long, default_value_t = 1)]
    pub(crate) standby_replicas: usize,
    /// End with the figures as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Instances that count steady input with large state, and a reader of their output.
pub(crate) struct Stage {
    pub(crate) instances: Instances,
    pub(crate) count: usize,
    /// How many copies of each task's state there are.
    standbys: usize,
    pub(crate) input: Input,
    pub(crate) tail: Tail,
    pub(crate) clock: Clock,
    // Last: the others use it.
    _kafka: LocalKafka,
}

/// Kafka's smallest session timeout by default. With the consumer protocol the local Kafka decides, and has it too.
pub(crate) const SESSION: Duration = Duration::from_secs(6);
/// What takes longer hangs.
const HANG: Duration = Duration::from_secs(120);
/// After this much time without a change all is as it will be.
const CALM: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);
const BROKER_LIMIT: Duration = Duration::from_secs(10);

impl Stage {
    /// Starts everything, and waits until all of the state is there and the output flows.
    pub(crate) fn set(scale: &Scale) -> Result<Stage> {
        let kafka = LocalKafka::start()?;
        let address = kafka.bootstrap_servers().to_owned();
        let id = unique("steady");
        let broker = KafkaBroker::new(settings(&address, scale.manner.group_protocol(), &id))?;
        broker.wait_until_up(BROKER_LIMIT, &mut |_| ())?;
        let broker: Arc<dyn Broker> = Arc::new(broker);
        let steady = Steady(id.clone());
        steady.prepare(&*broker)?;
        let application = Application::new(Options::new(id.as_str(), "chaos"), steady.define())?;
        application.create_topics(&*broker, &application.plan(&*broker)?)?;
        let clock = Clock::start();
        let tail = Tail::start(&*broker, steady.output().name(), PARTITIONS)?;
        let mut flags = scale.manner.flags();
        flags.push("--session-timeout-ms".to_owned());
        flags.push(SESSION.as_millis().to_string());
        flags.extend(["--standby-replicas".to_owned(), scale.standby_replicas.to_string()]);
        let mut instances = Instances::start(scale.instances, true, flags, &address, &id)?;
        steady.fill(&*broker, scale.keys, clock)?;
        say(&format!("{} keys are written", scale.keys));
        until("the state", || {
            instances.are_alive()?;
            Ok(tail.look().iter().map(|seen| seen.records).sum::<u64>() >= scale.keys)
        })?;
        let input = Input::start(&*broker, &steady, scale.keys, scale.rate, clock)?;
        let mut stage = Stage {
            instances,
            count: scale.instances,
            standbys: scale.standby_replicas,
            input,
            tail,
            clock,
            _kafka: kafka,
        };
        stage.wait_until_calm()?;
        Ok(stage)
    }

    /// Waits until every instance has its share and every task runs, for a while, and then for new output everywhere.
    pub(crate) fn wait_until_calm(&mut self) -> Result<()> {
        self.gap_until_calm()?;
        self.tail.begin(self.clock.now_ms());
        self.wait_for_first_new(&(0..PARTITIONS).collect::<Vec<i32>>())
    }

    /// Waits until every instance has its share and every task runs, for a while; returns the longest gap in the output of any
    /// partition since [`Tail::begin`].
    pub(crate) fn gap_until_calm(&mut self) -> Result<Duration> {
        let share = PARTITIONS as usize / self.count;
        let mut since = Instant::now();
        until("an even share for each instance", || {
            self.instances.are_alive()?;
            let is_even = (0..self.count).all(|index| {
                let status = self.instances.status(index);
                status.tasks == share && status.running.len() == share
            });
            let standbys: usize = (0..self.count).map(|index| self.instances.status(index).standbys).sum();
            let is_even = is_even && standbys == self.standbys * PARTITIONS as usize;
            if !is_even {
                since = Instant::now();
            }
            Ok(since.elapsed() > CALM)
        })?;
        Ok(self.tail.look().iter().map(Seen::gap).max().unwrap_or_default())
    }

    /// Waits until new output has come in these partitions since [`Tail::begin`].
    pub(crate) fn wait_for_first_new(&mut self, partitions: &[i32]) -> Result<()> {
        until("output of each partition", || {
            self.instances.are_alive()?;
            let seen = self.tail.look();
            Ok(partitions.iter().all(|partition| seen[*partition as usize].first_new.is_some()))
        })
    }

    /// How many records an instance has restored since it was started.
    pub(crate) fn restored(&self, index: usize) -> u64 {
        self.instances.status(index).restored
    }

    /// Ends everything in order; keeps the logs where the demand is not met, for who must look.
    pub(crate) fn end(mut self, is_met: bool) -> Result<()> {
        self.input.end()?;
        self.instances.stop()?;
        self.tail.end()?;
        if is_met { self.instances.remove_logs() } else { Ok(()) }
    }
}

fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !holds()? {
        if since.elapsed() > HANG {
            bail!("waited for {HANG:?} for {what}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
