use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use millstream::broker::Broker;
use millstream::worker::{Application, Options};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_service::run::{RunOptions, run as run_instance};
use millstream_tests::cluster::settings;
use millstream_tests::faults::OffsetsOutside;
use millstream_tests::workload::Workload;

use crate::status::tell;
use crate::steady::Steady;

/// What an instance and its workload are like.
#[derive(Args, Clone)]
pub(crate) struct Manner {
    /// What a crash may do to results.
    #[arg(long, value_enum, default_value = "exactly-once")]
    pub(crate) guarantee: Guarantee,
    /// How the group shares out its partitions.
    #[arg(long, value_enum, default_value = "classic")]
    pub(crate) protocol: Protocol,
    /// Commit offsets outside of the transaction, to see that the check notices.
    #[arg(long)]
    pub(crate) offsets_outside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    Classic,
    Consumer,
}

impl Manner {
    /// The same as flags.
    pub(crate) fn flags(&self) -> Vec<String> {
        let word = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
            value().map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut flags = vec![
            "--guarantee".to_owned(),
            word(&|| self.guarantee.to_possible_value()),
            "--protocol".to_owned(),
            word(&|| self.protocol.to_possible_value()),
        ];
        flags.extend(self.offsets_outside.then(|| "--offsets-outside".to_owned()));
        flags
    }

    pub(crate) fn group_protocol(&self) -> GroupProtocol {
        match self.protocol {
            Protocol::Classic => GroupProtocol::Classic,
            Protocol::Consumer => GroupProtocol::Consumer,
        }
    }
}

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) manner: Manner,
    #[arg(long)]
    pub(crate) bootstrap_servers: String,
    #[arg(long)]
    pub(crate) application_id: String,
    #[arg(long)]
    pub(crate) instance: usize,
    /// Where its status is written, again and again.
    #[arg(long)]
    status: PathBuf,
    /// Counts steady input, and not increments.
    #[arg(long)]
    steady: bool,
    /// After how long without a heartbeat a member is gone, under the classic protocol.
    #[arg(long)]
    session_timeout_ms: Option<u64>,
}

/// How long the transaction is held back when offsets are committed outside of it: most of a worker's time, so that a kill
/// falls into it.
const PAUSE: Duration = Duration::from_secs(1);

/// What the engine is told.
fn options(arguments: &Arguments) -> Options {
    Options {
        workers: 2,
        guarantee: match arguments.manner.guarantee {
            Guarantee::ExactlyOnce => millstream::worker::Guarantee::ExactlyOnce,
            Guarantee::AtLeastOnce => millstream::worker::Guarantee::AtLeastOnce,
        },
        ..Options::new(arguments.application_id.as_str(), format!("instance-{}", arguments.instance))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let (manner, id) = (&arguments.manner, arguments.application_id.clone());
    let mut settings = settings(&arguments.bootstrap_servers, manner.group_protocol(), &id);
    if let (Some(timeout), Protocol::Classic) = (arguments.session_timeout_ms, manner.protocol) {
        settings.consumer_properties.insert("session.timeout.ms".into(), timeout.to_string());
    }
    let mut broker: Arc<dyn Broker> = Arc::new(KafkaBroker::new(settings)?);
    if manner.offsets_outside {
        broker = Arc::new(OffsetsOutside { broker, pause: PAUSE });
    }
    let define = if arguments.steady { Steady(id).define() } else { Workload(id).define() };
    let application = Application::new(options(arguments), define)?;
    let stop = Arc::new(AtomicBool::new(false));
    obey_stdin(stop.clone());
    let options = RunOptions::new(Duration::from_secs(30));
    let status = arguments.status.clone();
    run_instance(application, broker, &options, &stop, |workers| tell(status, workers))
        .map_err(|error| anyhow!("{error}"))
}

/// Stops in order at the first line; at the end, which comes when the parent is gone, ends the process.
fn obey_stdin(stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        for _ in stdin().lock().lines().map_while(Result::ok) {
            stop.store(true, Ordering::Relaxed);
        }
        if !stop.load(Ordering::Relaxed) {
            std::process::exit(1);
        }
    });
}
