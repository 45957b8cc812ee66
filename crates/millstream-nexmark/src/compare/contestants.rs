//! The two programs.

use std::io::{self, BufRead, Write};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use millstream::broker::Broker;
use millstream::worker::{Application, Guarantee, Moment, Options};
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_local_kafka::{compile_java, find_java, install_jars};
use millstream_service::run::{RunOptions, now_ms, run};
use serde::{Deserialize, Serialize};

use crate::nexmark::Nexmark;
use crate::queries::Query;

const WORKERS: usize = 2;
const COMMIT_INTERVAL_MS: i64 = 1_000;
/// How long inputs that are joined wait for each other, in ms; Kafka Streams has the same.
const MAX_TASK_IDLE_MS: i64 = 1_000;
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(60);

const POM: &str = include_str!("../../java/pom.xml");
const FOLDER: &str = "nexmark-kafka-streams-4.3.1";

const SOURCES: [(&str, &str); 11] = [
    ("Aggregates.java", include_str!("../../java/Aggregates.java")),
    ("Auction.java", include_str!("../../java/Auction.java")),
    ("Bid.java", include_str!("../../java/Bid.java")),
    ("Binary.java", include_str!("../../java/Binary.java")),
    ("Input.java", include_str!("../../java/Input.java")),
    ("Joins.java", include_str!("../../java/Joins.java")),
    ("Main.java", include_str!("../../java/Main.java")),
    ("Person.java", include_str!("../../java/Person.java")),
    ("Run.java", include_str!("../../java/Run.java")),
    ("Stateless.java", include_str!("../../java/Stateless.java")),
    ("Windows.java", include_str!("../../java/Windows.java")),
];

/// The queries that `java/` has. The others: q6 needs a ranking that takes back, q15 and q16 counts of what is different, none of
/// which Kafka Streams has.
pub(super) const IN_JAVA: [&str; 17] =
    ["q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8", "q9", "q11", "q12", "q14", "q17", "q18", "q19", "q20", "q22"];

/// What a contestant says when a run has ended.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Done {
    /// From its start to its end.
    pub(super) seconds: f64,
    /// Processor time of the process meanwhile.
    pub(super) cpu_s: f64,
}

/// What a query's run is told: where, over what.
#[derive(Clone, Debug)]
pub(super) struct Job<'a> {
    pub(super) query: &'a str,
    pub(super) bootstrap_servers: &'a str,
    pub(super) events_per_s: u64,
}

/// This program as a contestant.
pub(super) fn millstream(job: &Job<'_>) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding this program's own path")?);
    command.args(["contestant", job.query, job.bootstrap_servers, &job.events_per_s.to_string()]);
    Ok(command)
}

/// Kafka Streams. Fetches its jars and compiles its program the first time.
pub(super) fn kafka_streams(job: &Job<'_>, nexmark: &Nexmark) -> Result<Command> {
    let java = find_java()?;
    let jars = install_jars(FOLDER, POM)?;
    let classes = compile_java(&jars, &SOURCES)?;
    let class_path = std::env::join_paths([&classes, &jars.join("*")]).context("a class path of the jars' folder")?;
    let mut command = Command::new(java);
    command.args(["-Xmx2g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"]).arg(class_path);
    command.args(["nexmark.Main", job.query, job.bootstrap_servers, &nexmark.inputs]);
    command.args([nexmark.longest_auction, nexmark.disorder].map(|duration| duration.as_millis().to_string()));
    Ok(command)
}

/// Millstream's side: each line of the standard input is the application id of a run over what the inputs have now.
pub(crate) fn run_millstream(query: &Query, bootstrap_servers: &str, nexmark: &Nexmark) -> Result<()> {
    for id in io::stdin().lock().lines() {
        let id = id.context("reading an application id")?;
        let (begun, before) = (Instant::now(), processor_seconds()?);
        let mut settings = KafkaSettings::new(bootstrap_servers, &id);
        settings.member_name = Some(id.clone());
        let broker: Arc<dyn Broker> = Arc::new(KafkaBroker::new(settings)?);
        let options = Options {
            until: Some(Moment::End),
            workers: WORKERS,
            guarantee: Guarantee::AtLeastOnce,
            commit_interval_ms: COMMIT_INTERVAL_MS,
            max_task_idle_ms: MAX_TASK_IDLE_MS,
            ..Options::new(&id, "contestant")
        };
        let (define, nexmark) = (query.define, Nexmark { outputs: id.clone(), ..nexmark.clone() });
        let application = Application::new(options, Arc::new(move |b| define(b, &nexmark)))?;
        let plan = application.plan(&*broker)?;
        application.create_topics(&*broker, &plan)?;
        run(application, broker, &RunOptions::new(SHUTDOWN_LIMIT), &AtomicBool::new(false), |_| ())?;
        let done = Done { seconds: begun.elapsed().as_secs_f64(), cpu_s: processor_seconds()? - before };
        writeln!(io::stdout(), "{}", serde_json::to_string(&done)?)?;
    }
    Ok(())
}

/// The clock of q12 here: the machine's.
pub(crate) fn machine_clock() -> crate::nexmark::Clock {
    Arc::new(now_ms)
}

/// User and system time of this process so far, as Linux counts it: in hundredths of a second.
fn processor_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading this process's times")?;
    // The second field, the program's name in parentheses, may itself contain spaces and parentheses.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<_, _>>().with_context(|| format!("no processor times in {stat:?}"))?;
    Ok(ticks as f64 / 100.0)
}
