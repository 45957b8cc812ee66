use std::sync::Arc;

use millstream::broker::{Broker, ErrorKind};
use millstream::record::Timestamp;
use millstream::topology::Define;
use millstream::worker::{Application, Options};
use millstream_memory::{ClientSettings, MemoryBroker};

use super::network::Network;
use super::peers::Addresses;
use super::process::{Process, Stepped};
use super::world::{SharedWorld, World};
use super::{Fault, Odds, Random};

/// How long a member is not missed, and how long a transaction may be open, in ms.
pub(crate) const SESSION_MS: i64 = 500;
pub(crate) const TRANSACTION_MS: i64 = 1_000;

/// Instances of one application on a broker in memory, stepped in an order that a seed decides.
pub(crate) struct Cluster {
    pub(crate) broker: MemoryBroker,
    pub(crate) world: SharedWorld,
    pub(super) random: Random,
    /// One for each instance; its place is its identity.
    applications: Vec<Arc<Application>>,
    pub(super) group: String,
    pub(super) instances: Vec<Option<Process>>,
    /// Processes that stood still, and whose identity another one has by now.
    pub(super) replaced: Vec<Process>,
    pub(super) now: Timestamp,
    /// When the broker, and the coordinator of transactions, are back.
    pub(super) back_at: Option<Timestamp>,
    pub(super) transactions_back_at: Option<Timestamp>,
    addresses: Addresses,
    started: u64,
    idle_steps: usize,
    /// What the broker had counted at the last look.
    counted: (u64, u64),
}

/// What does not come to rest in so much time (ms), or in so many steps, never will.
const REST_MS: i64 = 600_000;
const REST_STEPS: usize = 2_000_000;
/// How much time, in ms, passes once more after everything is processed: tasks that were opened anew hear all watermarks again
/// within 10 s.
const AFTER_MS: i64 = 12_000;

impl Cluster {
    /// A cluster without a process. The topology's own topics must be there; internal ones are created.
    ///
    /// # Errors
    /// A topology that is not valid, or does not fit the topics.
    pub(crate) fn new(
        broker: &MemoryBroker,
        world: &SharedWorld,
        random: Random,
        options: &Options,
        define: &Define,
        instances: usize,
    ) -> Result<Cluster, String> {
        let application = |index: usize| {
            let id = format!("i{index}");
            let options = Options { instance_id: id.clone(), address: Some(id), ..options.clone() };
            Application::new(options, define.clone()).map_err(|error| error.to_string())
        };
        let applications = (0..instances.max(1)).map(application).collect::<Result<Vec<_>, _>>()?;
        let client = broker.client(settings(&options.application_id));
        let plan = applications[0].plan(&*client).map_err(|error| error.to_string())?;
        applications[0].create_topics(&*client, &plan).map_err(|error| error.to_string())?;
        Ok(Cluster {
            broker: broker.clone(),
            world: world.clone(),
            random,
            instances: applications.iter().map(|_| None).collect(),
            applications,
            group: options.application_id.clone(),
            replaced: Vec::new(),
            now: 0,
            back_at: None,
            transactions_back_at: None,
            addresses: Addresses::default(),
            started: 0,
            idle_steps: 0,
            counted: (0, 0),
        })
    }

    /// A client of the application's group.
    pub(crate) fn client(&self) -> Arc<dyn Broker> {
        self.broker.client(settings(&self.group))
    }

    pub(super) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.get()
    }

    /// Starts an instance, if the broker answers.
    ///
    /// # Errors
    /// Why it cannot start.
    pub(super) fn start(&mut self, index: usize) -> Result<(), String> {
        self.started += 1;
        let process: Arc<str> = format!("i{index}#{}", self.started).into();
        let (cluster, broker, world) = (self.broker.clone(), self.client(), self.world.clone());
        let membership = Arc::default();
        let network = Network { cluster, broker, world, process: process.clone(), membership };
        match Process::start(&self.applications[index], network, self.addresses.peers(&self.world)) {
            Ok(started) => {
                self.addresses.set(&format!("i{index}"), started.instance.shared_status().states.clone());
                self.world().note(|| format!("{process} starts"));
                if self.instances.iter().any(Option::is_some) {
                    self.world().count(Fault::Started, &process);
                }
                self.instances[index] = Some(started);
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Retry => Ok(()),
            Err(error) => Err(format!("{process} cannot start: {error}")),
        }
    }

    /// Steps parts of instances, and lets time pass and faults happen.
    ///
    /// # Errors
    /// Why an instance failed.
    pub(crate) fn run(&mut self, steps: usize) -> Result<(), String> {
        for _ in 0..steps {
            self.step()?;
            self.disturb()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        if self.random.one_in(8) {
            // When nobody has anything to do, only time helps.
            let most = if self.idle_steps > 24 { 60 } else { 10 };
            let by = self.random.between(1, most);
            self.pass_time(by);
        }
        let held = self.broker.held_markers();
        if held > 0 && self.world().draw(|odds| odds.late_marker) {
            self.broker.write_marker(self.random.index(held));
            self.world().count(Fault::LateMarker, "broker");
        }
        let replaced = self.replaced.len();
        let chosen = self.random.index(self.instances.len() + replaced);
        let now = self.now;
        let process = match chosen.checked_sub(self.instances.len()) {
            Some(replaced) => Some(&mut self.replaced[replaced]),
            None => self.instances[chosen].as_mut(),
        };
        let Some(process) = process else {
            self.idle_steps += 1;
            return Ok(());
        };
        let thread = self.random.index(process.threads());
        match process.step(thread, now)? {
            Stepped::Busy => self.idle_steps = 0,
            Stepped::Idle | Stepped::Paused => self.idle_steps += 1,
            Stepped::Ended => {
                let name = process.name.clone();
                self.world().note(|| format!("{name} has ended"));
                match chosen.checked_sub(self.instances.len()) {
                    Some(replaced) => drop(self.replaced.remove(replaced)),
                    None => self.instances[chosen] = None,
                }
            }
        }
        Ok(())
    }

    pub(super) fn pass_time(&mut self, by: i64) {
        self.now += by;
        self.world().now = self.now;
        self.broker.advance_to(self.now);
        let counted = (self.broker.timed_out_transactions(), self.broker.evicted_members(&self.group));
        let (timed_out, evicted) = (counted.0 - self.counted.0, counted.1 - self.counted.1);
        self.counted = counted;
        for (fault, times) in [(Fault::TransactionTimedOut, timed_out), (Fault::Evicted, evicted)] {
            (0..times).for_each(|_| self.world().count(fault, "broker"));
        }
        self.come_back();
    }

    /// Ends all faults, and runs every instance until all that there is has been processed.
    ///
    /// # Errors
    /// Why an instance failed, or that they do not come to rest.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        self.calm();
        let client = self.client();
        let (end, mut rested_at) = (self.now + REST_MS, None);
        for _ in 0..REST_STEPS / 100 {
            for index in 0..self.instances.len() {
                if self.instances[index].is_none() {
                    self.start(index)?;
                }
            }
            self.run(100)?;
            let now = self.now;
            let Some(process) = &mut self.instances[0] else { continue };
            // Repeated watermarks are something to do, now and then.
            let is_drained = process.instance.is_drained(&*client).map_err(|error| error.to_string())?;
            if is_drained && now > *rested_at.get_or_insert(now) + AFTER_MS {
                return Ok(());
            }
            if now > end {
                break;
            }
        }
        let phases = self.instances.iter().flatten().map(|process| format!("{}: {:?}", process.name, process.states()));
        Err(format!("the instances do not come to rest: {}", phases.collect::<Vec<_>>().join("; ")))
    }

    /// From now on nothing goes wrong, and all that waits goes on.
    fn calm(&mut self) {
        self.world().note(|| "all faults end".to_owned());
        self.world().odds = Odds::calm();
        self.broker.hold_markers(false);
        self.back_at = Some(self.now);
        self.transactions_back_at = Some(self.now);
        self.come_back();
        self.replaced.clear();
        self.instances.iter_mut().flatten().for_each(|process| process.pause(None, Timestamp::MIN));
    }
}

fn settings(group: &str) -> ClientSettings {
    let (session_timeout_ms, transaction_timeout_ms) = (SESSION_MS, TRANSACTION_MS);
    ClientSettings { session_timeout_ms, transaction_timeout_ms, ..ClientSettings::new(group) }
}
