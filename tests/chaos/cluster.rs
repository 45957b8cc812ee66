use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Args;
use millstream::broker::Broker;
use millstream::worker::{Application, Options};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_local_kafka::{BROKERS, LocalCluster};
use millstream_tests::check::Findings;
use millstream_tests::cluster::settings;
use millstream_tests::proxy::Proxy;
use millstream_tests::workload::{Load, Workload};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::disturb::{Disturber, World};
use crate::instance::{Guarantee, Manner};
use crate::instances::Instances;
use crate::report::{print, say};
use crate::settle::settle;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    manner: Manner,
    /// How long things are disturbed, in minutes; some more are needed to start, and to check.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How many increments are written a second.
    #[arg(long, default_value_t = 1_000)]
    rate: u64,
    /// Chooses what happens and when; another one each time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// End with the counts as one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    records: u64,
    seconds: f64,
    slowest_stop_ms: u128,
    ok: bool,
    events: u64,
    /// Instances that ended by themselves and asked to be started again.
    started_again: u64,
    #[serde(flatten)]
    counts: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    findings: Findings,
}

const INSTANCES: usize = 3;
const TICK: Duration = Duration::from_millis(20);
/// How long brokers that were just started are waited for.
const BROKER_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(rand::random);
    say(&format!("seed {seed}"));
    let proxies = (0..BROKERS).map(|index| Proxy::start(seed.wrapping_add(index as u64)));
    let proxies: Vec<Proxy> = proxies.collect::<Result<_>>()?;
    let cluster = LocalCluster::start(Some(std::array::from_fn(|index| proxies[index].port())))?;
    for (proxy, port) in proxies.iter().zip(cluster.client_ports()) {
        proxy.lead_to(port);
    }
    let id = format!("chaos-cluster-{}-{}", std::process::id(), seed);
    let broker = direct(&cluster, arguments.manner.group_protocol(), &id)?;
    let workload = Workload(id.clone());
    workload.prepare(&*broker)?;
    let application = Application::new(Options::new(id.as_str(), "chaos"), workload.define())?;
    application.create_topics(&*broker, &application.plan(&*broker)?)?;
    let mut flags = arguments.manner.flags();
    flags.extend(["--standby-replicas", "1"].map(str::to_owned));
    let instances = Instances::start(INSTANCES, false, flags, &cluster.bootstrap_servers(), &id)?;
    let mut world = World { cluster, proxies, instances };
    let ended = disturb(arguments, seed, &mut world, &broker, &workload);
    let ok = match ended {
        Ok(report) => print(&report, arguments.json).map(|()| report.ok),
        Err(error) => Err(error),
    };
    if let Ok(true) = ok {
        world.instances.remove_logs()?;
    } else {
        let logs = world.instances.logs().to_owned();
        keep_logs(&mut world.cluster, &logs)?;
        say(&format!("seed {seed}; the logs of instances and brokers are in {}", logs.display()));
    }
    ok
}

fn disturb(
    arguments: &Arguments,
    seed: u64,
    world: &mut World,
    broker: &Arc<dyn Broker>,
    workload: &Workload,
) -> Result<Report> {
    let since = Instant::now();
    let loading = Loading::start(broker, workload, arguments.rate)?;
    let mut disturber = Disturber::new(StdRng::seed_from_u64(seed));
    let mut started_again = 0;
    let ended = (|| {
        while since.elapsed().as_secs_f64() < arguments.minutes * 60.0 {
            started_again += world.instances.start_ended_again()?;
            disturber.step(world, INSTANCES)?;
            loading.is_alive()?;
            std::thread::sleep(TICK);
        }
        disturber.heal_all(world)
    })();
    let records = loading.end();
    ended?;
    let records = records?;
    say(&format!("healed; {records} records written"));
    let findings = settle(&**broker, workload, &mut world.instances)?;
    let slowest_stop_ms = world.instances.stop()?.as_millis();
    let ok = match arguments.manner.guarantee {
        Guarantee::ExactlyOnce => findings.is_exactly_once() && findings.outputs == records,
        Guarantee::AtLeastOnce => findings.is_at_least_once(),
    };
    let ok = ok && findings.inputs == records;
    let (counts, seconds) = (disturber.counts(), since.elapsed().as_secs_f64());
    let events = counts.values().sum();
    Ok(Report { seed, records, seconds, slowest_stop_ms, ok, events, started_again, counts, findings })
}

/// A client that no proxy stands before, and that waits long enough for any broker.
fn direct(cluster: &LocalCluster, protocol: GroupProtocol, id: &str) -> Result<Arc<dyn Broker>> {
    let mut settings = settings(&cluster.direct_servers(), protocol, id);
    settings.producer_properties.insert("message.timeout.ms".into(), "180000".into());
    settings.producer_properties.insert("transaction.timeout.ms".into(), "180000".into());
    let broker = KafkaBroker::new(settings)?;
    broker.wait_until_up(BROKER_LIMIT, &mut |_| ())?;
    Ok(Arc::new(broker))
}

/// Puts the brokers' logs beside those of the instances.
fn keep_logs(cluster: &mut LocalCluster, logs: &Path) -> Result<()> {
    for index in 0..BROKERS {
        let folder = cluster.broker(index).data_folder().to_owned();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".log") && path.is_file() {
                std::fs::copy(&path, logs.join(format!("broker-{index}-{name}")))?;
            }
        }
    }
    Ok(())
}

/// Writes at a steady rate on a thread of its own; what a broker holds up is made up for afterwards.
struct Loading {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<u64>>,
}

impl Loading {
    fn start(broker: &Arc<dyn Broker>, workload: &Workload, rate: u64) -> Result<Loading> {
        let mut load = Load::new(&**broker, workload)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let since = Instant::now();
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                load.write_until((since.elapsed().as_secs_f64() * rate as f64) as u64)?;
                std::thread::sleep(TICK);
            }
            Ok(load.written())
        });
        Ok(Loading { stop, thread })
    }

    /// An error if it has ended by itself.
    fn is_alive(&self) -> Result<()> {
        if self.thread.is_finished() { Err(anyhow!("the input cannot be written any more")) } else { Ok(()) }
    }

    /// Ends it; returns how many records were written.
    fn end(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that writes the input panicked"))?
    }
}
