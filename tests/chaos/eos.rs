use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use millstream::broker::Broker;
use millstream::worker::{Application, Options};
use millstream_kafka::KafkaBroker;
use millstream_local_kafka::LocalKafka;
use millstream_tests::check::Findings;
use millstream_tests::cluster::settings;
use millstream_tests::workload::{Load, Workload};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::instance::{Guarantee, Manner};
use crate::instances::Instances;
use crate::report::{print, say};
use crate::settle::{settle, wait_for_outputs};

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

    let mut instances = Instances::start(INSTANCES, false, arguments.manner.flags(), &address, &id)?;
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
            Event::Kill => {
                let index = random.random_range(0..INSTANCES);
                instances.kill(index)?;
                std::thread::sleep(Duration::from_millis(random.random_range(0..1_500)));
                instances.start_again(index)?;
            }
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
    let findings = settle(&*broker, &workload, &mut instances)?;
    let slowest_stop_ms = instances.stop()?.as_millis();
    instances.remove_logs()?;
    let ok = match arguments.manner.guarantee {
        Guarantee::ExactlyOnce => findings.is_exactly_once() && findings.outputs == arguments.records,
        Guarantee::AtLeastOnce => findings.is_at_least_once(),
    };
    let ok = ok && findings.inputs == arguments.records;
    let (records, kills, broker_restarts) = (arguments.records, arguments.kills, restarts);
    let seconds = since.elapsed().as_secs_f64();
    let report = Report { seed, records, kills, broker_restarts, seconds, slowest_stop_ms, ok, findings };
    print(&report, arguments.json)?;
    Ok(ok)
}
