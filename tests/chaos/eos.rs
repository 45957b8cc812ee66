use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use millstream::broker::{Broker, TopicPartition};
use millstream::worker::{Application, Options};
use millstream_kafka::KafkaBroker;
use millstream_local_kafka::LocalKafka;
use millstream_tests::check::{Findings, check};
use millstream_tests::cluster::settings;
use millstream_tests::workload::{Load, PARTITIONS, Workload};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::instance::{Guarantee, Manner};
use crate::process::Process;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    manner: Manner,
    /// How many increments flow.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// How often an instance is killed.
    #[arg(long, default_value_t = 20)]
    kills: usize,
    /// How often the Kafka is restarted: in turn by SIGKILL and in order.
    #[arg(long, default_value_t = 2)]
    broker_restarts: usize,
    /// Chooses the moments; another one each time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// A Kafka to use instead of one that is started; it is not restarted.
    #[arg(long)]
    bootstrap_servers: Option<String>,
    /// End with the counts as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    records: u64,
    kills: usize,
    broker_restarts: usize,
    seconds: f64,
    slowest_stop_ms: u128,
    ok: bool,
    #[serde(flatten)]
    findings: Findings,
}

#[derive(Clone, Copy)]
enum Event {
    Kill,
    Restart,
}

const INSTANCES: usize = 3;
/// How long a Kafka that was given is waited for.
const BROKER_LIMIT: Duration = Duration::from_secs(10);
/// Into how many parts the records between two events are written.
const SLICES: u64 = 10;
/// When the outputs have not changed for so long, no more are waited for.
const QUIET: Duration = Duration::from_secs(40);

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let since = Instant::now();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    say(&format!("seed {seed}"));
    let mut kafka = match arguments.bootstrap_servers {
        Some(_) => None,
        None => Some(LocalKafka::start()?),
    };
    let address = kafka.as_ref().map(|kafka| kafka.bootstrap_servers().to_owned());
    let address = address.or_else(|| arguments.bootstrap_servers.clone()).unwrap_or_default();
    let id = format!("chaos-{}-{}", std::process::id(), seed);
    let broker = KafkaBroker::new(settings(&address, arguments.manner.group_protocol(), &id))?;
    broker.wait_until_up(BROKER_LIMIT, &mut |_| ())?;
    let broker: Arc<dyn Broker> = Arc::new(broker);
    let workload = Workload(id.clone());
    workload.prepare(&*broker)?;
    let application = Application::new(Options::new(id.as_str(), "chaos"), workload.define())?;
    application.create_topics(&*broker, &application.plan(&*broker)?)?;

    let mut instances = Instances::start(&arguments.manner, &address, &id)?;
    let mut load = Load::new(&*broker, &workload)?;
    let mut random = StdRng::seed_from_u64(seed);
    let restarts = if kafka.is_some() { arguments.broker_restarts } else { 0 };
    let mut events = vec![Event::Kill; arguments.kills];
    events.extend(vec![Event::Restart; restarts]);
    events.shuffle(&mut random);
    let mut killed_broker = false;
    let parts = (events.len() as u64 + 1) * SLICES;
    for (index, event) in events.iter().enumerate() {
        let pause = Duration::from_millis(random.random_range(30..300));
        for slice in 1..=SLICES {
            load.write_until(arguments.records * (index as u64 * SLICES + slice) / parts)?;
            // The control must be killed while it commits, and not while the group still settles after the last kill.
            if slice == 1 && arguments.manner.offsets_outside {
                wait_for_outputs(&*broker, &workload)?;
            }
            std::thread::sleep(pause);
        }
        match event {
            Event::Kill => instances.kill(&mut random)?,
            Event::Restart => {
                killed_broker = !killed_broker;
                say(&format!("restarting the broker, {}", if killed_broker { "killed" } else { "in order" }));
                if let Some(kafka) = &mut kafka {
                    if killed_broker { kafka.kill_and_restart()? } else { kafka.restart()? }
                }
            }
        }
        say(&format!("event {} of {}, {} records written", index + 1, events.len(), load.written()));
    }
    load.write_until(arguments.records)?;
    let findings = wait(&broker, &workload, &mut instances)?;
    let slowest_stop_ms = instances.stop()?.as_millis();
    let ok = match arguments.manner.guarantee {
        Guarantee::ExactlyOnce => findings.is_exactly_once() && findings.outputs == arguments.records,
        Guarantee::AtLeastOnce => findings.is_at_least_once(),
    };
    let ok = ok && findings.inputs == arguments.records;
    let (records, kills, broker_restarts) = (arguments.records, arguments.kills, restarts);
    let seconds = since.elapsed().as_secs_f64();
    let report = Report { seed, records, kills, broker_restarts, seconds, slowest_stop_ms, ok, findings };
    report.print(arguments.json)?;
    Ok(ok)
}

/// The instances, by number; logs are kept for who must look.
struct Instances {
    arguments: Vec<String>,
    logs: PathBuf,
    running: Vec<Process>,
}

impl Instances {
    fn start(manner: &Manner, address: &str, id: &str) -> Result<Instances> {
        let logs = std::env::temp_dir().join(id);
        std::fs::create_dir_all(&logs)?;
        say(&format!("the instances' logs are in {}", logs.display()));
        let mut arguments = manner.flags();
        arguments.extend(["--bootstrap-servers", address, "--application-id", id].map(str::to_owned));
        let mut instances = Instances { arguments, logs, running: Vec::new() };
        for index in 0..INSTANCES {
            let process = instances.process(index)?;
            instances.running.push(process);
        }
        Ok(instances)
    }

    fn process(&self, index: usize) -> Result<Process> {
        let mut arguments = self.arguments.clone();
        arguments.extend(["--instance".to_owned(), index.to_string()]);
        Process::start(&arguments, &self.logs.join(format!("instance-{index}.log")))
    }

    /// Kills one, and starts it again after a while.
    fn kill(&mut self, random: &mut StdRng) -> Result<()> {
        let index = random.random_range(0..INSTANCES);
        self.running.swap_remove(index).kill()?;
        std::thread::sleep(Duration::from_millis(random.random_range(0..1_500)));
        let process = self.process(index)?;
        self.running.push(process);
        self.running.swap(index, INSTANCES - 1);
        Ok(())
    }

    fn stop(self) -> Result<Duration> {
        let mut slowest = Duration::ZERO;
        for process in self.running {
            slowest = slowest.max(process.stop()?);
        }
        std::fs::remove_dir_all(&self.logs)?;
        Ok(slowest)
    }
}

/// Waits until more outputs come than there are.
fn wait_for_outputs(broker: &dyn Broker, workload: &Workload) -> Result<()> {
    let counts = workload.counts();
    let partitions: Vec<TopicPartition> =
        (0..PARTITIONS).map(|partition| TopicPartition::new(counts.name(), partition)).collect();
    let since = Instant::now();
    let before = broker.end_offsets(&partitions)?;
    while broker.end_offsets(&partitions)? == before {
        if since.elapsed() > QUIET {
            bail!("no output came for {QUIET:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Waits until nothing is lost, or until nothing more comes.
fn wait(broker: &Arc<dyn Broker>, workload: &Workload, instances: &mut Instances) -> Result<Findings> {
    let mut before = Findings::default();
    let mut changed = Instant::now();
    loop {
        for process in &mut instances.running {
            process.is_alive()?;
        }
        let findings = check(&**broker, workload)?;
        if findings.lost == 0 || changed.elapsed() > QUIET {
            return Ok(findings);
        }
        say(&format!("{} of {} outputs", findings.outputs, findings.inputs));
        if findings != before {
            changed = Instant::now();
            before = findings;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

impl Report {
    fn print(&self, json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
        } else {
            let value = serde_json::to_value(self)?;
            let Some(fields) = value.as_object() else { bail!("the report has fields") };
            for (name, value) in fields {
                writeln!(out, "{name:>16}  {value}")?;
            }
        }
        Ok(())
    }
}

/// Tells the person who waits.
pub(crate) fn say(line: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "chaos: {line}");
}
