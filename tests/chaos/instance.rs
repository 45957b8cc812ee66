use std::io::{BufRead, stdin};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use millstream::broker::Broker;
use millstream::worker::{Application, Options};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_service::Service;
use millstream_service::run::{RunOptions, run as run_instance};
use millstream_tests::cluster::settings;
use millstream_tests::faults::OffsetsOutside;
use millstream_tests::workload::Workload;

use crate::report::say;
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
    /// Counts steady input, and not increments: as a service, which is asked at this port.
    #[arg(long)]
    steady: Option<u16>,
    /// After how long without a heartbeat a member is gone, under the classic protocol.
    #[arg(long)]
    session_timeout_ms: Option<u64>,
    /// How many copies of each task's state other instances keep.
    #[arg(long, default_value_t = 0)]
    standby_replicas: usize,
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
        standby_replicas: arguments.standby_replicas,
        ..Options::new(arguments.application_id.as_str(), format!("instance-{}", arguments.instance))
    }
}

/// A service as users run it; its settings come by flags alone.
fn run_service(arguments: &Arguments, port: u16) -> ExitCode {
    let (manner, id) = (&arguments.manner, arguments.application_id.clone());
    let mut flags = vec!["chaos".to_owned(), "--bootstrap-servers".to_owned(), arguments.bootstrap_servers.clone()];
    let mut set = |key: &str, value: &str| flags.extend(["--set".to_owned(), format!("{key}={value}")]);
    set("application_id", &id);
    set("instance_id", &format!("instance-{}", arguments.instance));
    set("workers", "2");
    set("standby_replicas", &arguments.standby_replicas.to_string());
    set("http.port", &port.to_string());
    set("http.advertised", &format!("127.0.0.1:{port}"));
    set("guarantee", if manner.guarantee == Guarantee::ExactlyOnce { "exactly_once" } else { "at_least_once" });
    match (manner.protocol, arguments.session_timeout_ms) {
        (Protocol::Consumer, _) => set("kafka.group_protocol", "consumer"),
        (Protocol::Classic, Some(timeout)) => set("kafka.consumer.session.timeout.ms", &timeout.to_string()),
        (Protocol::Classic, None) => {}
    }
    obey_stdin(|| {
        let pid = std::process::id().to_string();
        if let Err(error) = Command::new("sh").args(["-c", r#"kill -TERM "$1""#, "stop", &pid]).status() {
            say(&format!("the instance cannot be told to end: {error}"));
        }
    });
    let define = Steady(id).define();
    Service::new("chaos", move |builder| define(builder)).main_from(flags)
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(port) = arguments.steady {
        return Ok(run_service(arguments, port));
    }
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
    let application = Application::new(options(arguments), Workload(id).define())?;
    let stop = Arc::new(AtomicBool::new(false));
    obey_stdin({
        let stop = stop.clone();
        move || stop.store(true, Ordering::Relaxed)
    });
    let options = RunOptions::new(Duration::from_secs(30));
    run_instance(application, broker, &options, &stop, |_| ()).map_err(|error| anyhow!("{error}"))?;
    Ok(ExitCode::SUCCESS)
}

/// Stops in order at the first line; at the end, which comes when the parent is gone, ends the process.
fn obey_stdin(stop: impl Fn() + Send + 'static) {
    std::thread::spawn(move || {
        let mut is_told = false;
        for _ in stdin().lock().lines().map_while(Result::ok) {
            is_told = true;
            stop();
        }
        if !is_told {
            std::process::exit(1);
        }
    });
}
