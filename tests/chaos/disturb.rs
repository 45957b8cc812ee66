use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use millstream_local_kafka::{BROKERS, LocalCluster};
use millstream_tests::proxy::{Faults, Proxy};
use rand::Rng;
use rand::rngs::StdRng;

use crate::instances::Instances;
use crate::report::say;

/// What is disturbed.
pub(crate) struct World {
    pub(crate) cluster: LocalCluster,
    /// One stands before each broker.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) instances: Instances,
}

/// Disturbs a world, and heals it, at moments and in ways that chance decides.
pub(crate) struct Disturber {
    random: StdRng,
    next: Instant,
    healing: Vec<(Instant, Harmed)>,
    /// A broker that was started again and does not serve yet.
    starting: Option<usize>,
    counts: BTreeMap<&'static str, u64>,
}

/// Who has a fault, until it is healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harmed {
    KilledInstance(usize),
    StoppedInstance(usize),
    KilledBroker(usize),
    StoppedBroker(usize),
    Connections(usize),
}

/// What happens, by the name in the report, and how often in comparison.
const EVENTS: [(&str, u32); 11] = [
    ("instance_kills", 4),
    ("instance_stops", 3),
    ("broker_kills", 2),
    ("broker_stops", 1),
    ("cuts", 3),
    ("refusals", 2),
    ("lost_answers", 3),
    ("lost_requests", 1),
    ("blackholes", 2),
    ("delays", 2),
    ("throttles", 1),
];
/// How many instances may be away at once: one always goes on.
const AWAY_MAX: usize = 2;
/// How long nothing happens between two events, in ms.
const PAUSE_MS: std::ops::Range<u64> = 300..4_000;

impl Disturber {
    pub(crate) fn new(random: StdRng) -> Disturber {
        Disturber { random, next: Instant::now(), healing: Vec::new(), starting: None, counts: BTreeMap::new() }
    }

    /// How often each thing has happened.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.clone()
    }

    /// Heals what is due, and does the next harm when its time has come.
    pub(crate) fn step(&mut self, world: &mut World, instances: usize) -> Result<()> {
        self.heal_until(world, Instant::now())?;
        if Instant::now() >= self.next {
            let pause = self.random.random_range(PAUSE_MS);
            self.harm(world, instances)?;
            self.next = Instant::now() + Duration::from_millis(pause);
        }
        Ok(())
    }

    /// Heals everything, and waits until all brokers serve.
    pub(crate) fn heal_all(&mut self, world: &mut World) -> Result<()> {
        let last = self.healing.iter().map(|(due, _)| *due).max();
        self.heal_until(world, last.unwrap_or_else(Instant::now))?;
        while self.starting.is_some() {
            self.look_at_starting(world)?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn heal_until(&mut self, world: &mut World, now: Instant) -> Result<()> {
        self.look_at_starting(world)?;
        let due: Vec<Harmed> = self.healing.iter().filter(|(due, _)| *due <= now).map(|(_, harmed)| *harmed).collect();
        self.healing.retain(|(due, _)| *due > now);
        for harmed in due {
            say(&format!("healed: {harmed:?}"));
            match harmed {
                Harmed::KilledInstance(index) => world.instances.start_again(index)?,
                Harmed::StoppedInstance(index) => world.instances.signal(index, "CONT")?,
                Harmed::KilledBroker(index) => {
                    world.cluster.broker(index).spawn()?;
                    self.starting = Some(index);
                }
                Harmed::StoppedBroker(index) => world.cluster.broker(index).resume()?,
                Harmed::Connections(index) => world.proxies[index].set(Faults::default()),
            }
        }
        Ok(())
    }

    fn look_at_starting(&mut self, world: &mut World) -> Result<()> {
        if let Some(index) = self.starting
            && world.cluster.broker(index).is_ready()?
        {
            self.starting = None;
        }
        Ok(())
    }

    fn harm(&mut self, world: &mut World, instances: usize) -> Result<()> {
        let total: u32 = EVENTS.iter().map(|(_, weight)| weight).sum();
        let mut choice = self.random.random_range(0..total);
        let mut name = EVENTS[0].0;
        for (event, weight) in EVENTS {
            name = event;
            if choice < weight {
                break;
            }
            choice -= weight;
        }
        let instance = self.random.random_range(0..instances);
        let broker = self.random.random_range(0..BROKERS);
        let is_free = match name {
            "instance_kills" | "instance_stops" => self.is_instance_free(instance),
            "broker_kills" | "broker_stops" => self.are_brokers_free(),
            "cuts" => true,
            _ => !self.healing.iter().any(|(_, harmed)| *harmed == Harmed::Connections(broker)),
        };
        if !is_free {
            return Ok(());
        }
        let who = if name.starts_with("instance") { instance } else { broker };
        let healing = self.begin(world, name, who)?;
        *self.counts.entry(name).or_default() += 1;
        let after = healing.map(|(after, _)| after);
        say(&format!("{name}: {who}, for {after:?}"));
        if let Some((after, harmed)) = healing {
            self.healing.push((Instant::now() + after, harmed));
        }
        Ok(())
    }

    /// Begins a harm; returns after what time it is to be healed, if there is something to heal.
    fn begin(&mut self, world: &mut World, name: &str, who: usize) -> Result<Option<(Duration, Harmed)>> {
        let random = &mut self.random;
        let mut ms = |range| Duration::from_millis(random.random_range(range));
        let faults = match name {
            "instance_kills" => {
                world.instances.kill(who)?;
                return Ok(Some((ms(0..3_000), Harmed::KilledInstance(who))));
            }
            // Longer than the session, sometimes than the transaction's timeout too: a zombie wakes.
            "instance_stops" => {
                world.instances.signal(who, "STOP")?;
                return Ok(Some((ms(4_000..14_000), Harmed::StoppedInstance(who))));
            }
            "broker_kills" => {
                world.cluster.broker(who).kill()?;
                return Ok(Some((ms(1_000..8_000), Harmed::KilledBroker(who))));
            }
            // Longer than the broker's session too: a leader that was replaced wakes.
            "broker_stops" => {
                world.cluster.broker(who).pause()?;
                return Ok(Some((ms(1_000..8_000), Harmed::StoppedBroker(who))));
            }
            "cuts" => {
                world.proxies[who].cut();
                return Ok(None);
            }
            "refusals" => Faults { refuse: true, ..Faults::default() },
            "lost_answers" => Faults { lose_answers: true, ..Faults::default() },
            "lost_requests" => Faults { lose_requests: true, ..Faults::default() },
            "blackholes" => Faults { lose_requests: true, lose_answers: true, ..Faults::default() },
            "delays" => Faults { latency: ms(5..200), jitter: ms(1..200), ..Faults::default() },
            _ => Faults { bytes_per_second: Some(random.random_range(20_000..200_000)), ..Faults::default() },
        };
        world.proxies[who].set(faults);
        let after = Duration::from_millis(self.random.random_range(500..10_000));
        Ok(Some((after, Harmed::Connections(who))))
    }

    fn is_instance_free(&self, index: usize) -> bool {
        let away: Vec<usize> = self.healing.iter().filter_map(|(_, harmed)| harmed.instance()).collect();
        away.len() < AWAY_MAX && !away.contains(&index)
    }

    /// No broker may go while another one is away: two of three must have what is acknowledged.
    fn are_brokers_free(&self) -> bool {
        let is_away = |harmed: &Harmed| matches!(harmed, Harmed::KilledBroker(_) | Harmed::StoppedBroker(_));
        self.starting.is_none() && !self.healing.iter().any(|(_, harmed)| is_away(harmed))
    }
}

impl Harmed {
    fn instance(self) -> Option<usize> {
        match self {
            Harmed::KilledInstance(index) | Harmed::StoppedInstance(index) => Some(index),
            _ => None,
        }
    }
}
