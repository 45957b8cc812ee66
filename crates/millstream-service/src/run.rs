//! Runs an instance on threads: the group on this one, each worker on its own.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream::broker::{Away, Broker, BrokerError, Waker};
use millstream::worker::{Application, Instance, InstanceStatus, Peers, Phase, Step, Worker, WorkerSeed, WorkerStatus};

use crate::executor::CallRuntime;
use crate::lost::Lost;

/// How long the group is polled before the loop looks around.
const GROUP_POLL: Duration = Duration::from_millis(50);

/// How long is waited between two looks at how far warming up has come.
const WARMING_PAUSE: Duration = Duration::from_millis(10);

/// How often it is measured how much memory the process has.
const MEASURED_EVERY: Duration = Duration::from_secs(3);

/// The part of the shutdown timeout for which a broker that is away is waited for: it may come back for the last commit.
pub(crate) const WITHOUT_BROKER: f32 = 0.75;

/// How an instance is run.
#[derive(Clone)]
pub struct RunOptions {
    /// How long workers may take to commit and let go once the run is to end.
    pub shutdown_timeout: Duration,
    /// The way to other instances, if there is one: state is taken from their memory where it can be.
    pub peers: Option<Arc<dyn Peers>>,
}

impl RunOptions {
    /// A run that reads state from changelogs alone.
    pub fn new(shutdown_timeout: Duration) -> Self {
        RunOptions { shutdown_timeout, peers: None }
    }
}

/// Why a run ended otherwise than it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The broker would not let the instance join.
    #[error("cannot join the group: {0}")]
    Join(BrokerError),
    /// A worker or the group failed; the text says where and why.
    #[error("{0}")]
    Failed(String),
    /// No broker answered for longer than the options allow.
    #[error(
        "{0}; that is longer than broker_lost_timeout_ms allows. What was not committed is processed again at the next start"
    )]
    Lost(Away),
    /// The run was to end while no broker answered, so that workers could not commit.
    #[error(
        "ended as asked, but without a last commit: {0}. What was not committed is processed again at the next start"
    )]
    Away(Away),
    /// The workers did not end in time.
    #[error("the workers did not end within {0:?}; what was not committed is processed again at the next start")]
    Timeout(Duration),
}

/// Runs an instance until `stop` is set, until it fails, or, where its options say [until when](millstream::worker::Options),
/// until all up to there is processed and committed. `observe` gets the
/// workers' status once, at the start.
pub fn run(
    application: Arc<Application>,
    broker: Arc<dyn Broker>,
    options: &RunOptions,
    stop: &AtomicBool,
    observe: impl FnOnce(Vec<Arc<WorkerStatus>>),
) -> Result<(), RunError> {
    run_observed(application, broker, options, stop, |status| observe(status.workers.clone()))
}

/// As [`run`]; `observe` gets all that the instance tells about itself.
pub fn run_observed(
    application: Arc<Application>,
    broker: Arc<dyn Broker>,
    options: &RunOptions,
    stop: &AtomicBool,
    observe: impl FnOnce(Arc<InstanceStatus>),
) -> Result<(), RunError> {
    let bells: Vec<Arc<Bell>> = (0..application.options.workers).map(|_| Arc::default()).collect();
    let wakers = bells.iter().map(|bell| {
        let bell = bell.clone();
        Arc::new(move || bell.ring()) as Waker
    });
    let is_bounded = application.options.until.is_some();
    let (mut instance, seeds) =
        Instance::start(application.clone(), broker.clone(), wakers.collect()).map_err(RunError::Join)?;
    let status = instance.shared_status();
    observe(status.clone());
    // Only for topologies that need it; ends when dropped, after the workers have.
    let calls = (!application.topology.async_nodes.is_empty()).then(CallRuntime::start).transpose();
    let calls = calls.map_err(|e| RunError::Failed(format!("no runtime for asynchronous calls: {e}")))?;
    let threads: Vec<JoinHandle<()>> = (seeds.into_iter().zip(bells))
        .enumerate()
        .map(|(index, (seed, bell))| {
            let seed = match &calls {
                Some((_, executor)) => seed.with_executor(executor.clone()),
                None => seed,
            };
            let seed = match &options.peers {
                Some(peers) => seed.with_peers(peers.clone()),
                None => seed,
            };
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            thread
                .spawn(move || work(seed, &bell))
                .map_err(|e| RunError::Failed(format!("no thread for a worker: {e}")))
        })
        .collect::<Result<_, _>>()?;

    let (mut stopping_since, mut measured_at) = (None, None::<Instant>);
    let mut lost = Lost::new(application.options.broker_lost_timeout_ms);
    loop {
        status.polled_at.store(now_ms(), Ordering::Relaxed);
        lost.note(broker.away()).map_err(RunError::Lost)?;
        if measured_at.is_none_or(|at| at.elapsed() >= MEASURED_EVERY) {
            measured_at = Some(Instant::now());
            status.memory_bytes.store(resident_bytes().unwrap_or(0), Ordering::Relaxed);
        }
        match instance.step(GROUP_POLL) {
            Phase::Stopped => break,
            // There is no group to be polled yet.
            Phase::Warming => std::thread::sleep(WARMING_PAUSE),
            Phase::Running | Phase::Stopping => {}
        }
        if stop.load(Ordering::Relaxed) || (is_bounded && drained(&mut instance, &*broker)) {
            instance.stop();
        }
        if instance.phase() == Phase::Stopping {
            let since = *stopping_since.get_or_insert_with(Instant::now);
            if since.elapsed() > options.shutdown_timeout.mul_f32(WITHOUT_BROKER)
                && let Some(away) = broker.away()
            {
                return Err(RunError::Away(away));
            }
            if since.elapsed() > options.shutdown_timeout {
                return Err(RunError::Timeout(options.shutdown_timeout));
            }
        }
    }
    for thread in threads {
        // A worker that panicked has reported it as a failure.
        let _ = thread.join();
    }
    instance.failure().map_or(Ok(()), |failure| Err(RunError::Failed(failure.to_owned())))
}

/// How much memory the process has, where the system says it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn drained(instance: &mut Instance, broker: &dyn Broker) -> bool {
    // Asking the broker is for when the workers themselves see nothing to do.
    let idle = instance.status().iter().all(|status| status.is_idle.load(Ordering::Relaxed));
    idle && instance.is_drained(broker).unwrap_or_else(|error| {
        tracing::warn!(%error, "whether the inputs are drained is not known yet");
        false
    })
}

fn work(seed: WorkerSeed, bell: &Bell) {
    let mut worker = Worker::from(seed);
    loop {
        let now = now_ms();
        match worker.step(now) {
            Step::Busy => {}
            Step::Idle(until) => bell.wait(Duration::from_millis(until.saturating_sub(now).max(0) as u64)),
            Step::Ended => return,
        }
    }
}

/// The machine's clock, in ms since 1970-01-01 UTC.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64)
}

/// Wakes one thread; a ring while it is awake is kept for its next wait.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    fn wait(&self, timeout: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}
