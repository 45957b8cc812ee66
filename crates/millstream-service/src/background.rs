use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::health::Health;
use crate::http::{self, Tls};
use crate::run::{WITHOUT_BROKER, now_ms};
use crate::stop::Stop;

/// What a process that hangs gets beyond its shutdown timeout.
const GRACE: Duration = Duration::from_millis(250);

/// How often it is looked whether workers move.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// What is served over HTTP.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) router: Router,
    /// None for plain text.
    pub(crate) tls: Option<Tls>,
}

/// The thread that serves HTTP and takes signals; ends when dropped.
pub(crate) struct Background {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    runtime: Handle,
}

impl Background {
    /// Takes signals from now on, and serves HTTP if there is a listener.
    pub(crate) fn start(
        http: Option<Server>,
        stop: Arc<Stop>,
        health: Arc<Health>,
        shutdown_timeout: Duration,
    ) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::system("a runtime for HTTP and signals", &error))?;
        let signals = {
            let _entered = runtime.enter();
            let open = |kind| signal(kind).map_err(|error| Error::system("taking signals", &error));
            Signals { terminate: open(SignalKind::terminate())?, interrupt: open(SignalKind::interrupt())? }
        };
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || serve(&runtime, http, signals, &stop, &health, shutdown_timeout, ended))
            .map_err(|error| Error::system("a thread for HTTP and signals", &error))?;
        Ok(Background { end: Some(end), thread: Some(thread), runtime: handle })
    }
}

impl Background {
    /// What runs in the background.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Dropping the sender ends the thread.
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    runtime: &Runtime,
    http: Option<Server>,
    mut signals: Signals,
    stop: &Stop,
    health: &Health,
    shutdown_timeout: Duration,
    ended: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        let http = async {
            if let Some(Server { listener, router, tls }) = http
                && let Err(error) = http::serve(listener, router, tls).await
            {
                tracing::error!(%error, "HTTP is not served any more");
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = http => {}
            () = watch(health) => {}
            () = signals.obey(stop, health, shutdown_timeout) => {}
            _ = ended => {}
        }
    });
}

/// Looks now and then whether the workers move; who does not is told in the log.
async fn watch(health: &Health) {
    let mut interval = tokio::time::interval(LOOKED_EVERY);
    loop {
        interval.tick().await;
        // Whether the process is live is for who asks.
        let _ = health.live(now_ms());
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 15),
            _ = self.interrupt.recv() => ("SIGINT", 2),
        }
    }

    /// The first signal ends the run in order; a second one, or a run that does not end, ends the process.
    async fn obey(&mut self, stop: &Stop, health: &Health, shutdown_timeout: Duration) {
        let (name, _) = self.next().await;
        stop.request();
        if !stop.has_begun() {
            tracing::info!("{name} before the instance has joined its group: ending");
            std::process::exit(0);
        }
        tracing::info!("{name}: committing, leaving the group, ending; a second signal ends at once");
        let ended = async {
            // What waits for a broker lets go now, so that what can end does.
            tokio::time::sleep(shutdown_timeout.mul_f32(WITHOUT_BROKER)).await;
            if let Some(broker) = health.broker().filter(|broker| broker.away().is_some()) {
                broker.give_up();
            }
            tokio::time::sleep(shutdown_timeout.mul_f32(1.0 - WITHOUT_BROKER) + GRACE).await;
        };
        tokio::select! {
            (name, number) = self.next() => {
                tracing::warn!("{name} again: ending at once; what was not committed is processed again");
                std::process::exit(128 + number);
            }
            () = ended => {
                let away = health.broker().and_then(|broker| broker.away());
                let why = away.map_or_else(|| "the broker or a worker hangs".to_owned(), |away| away.to_string());
                tracing::error!("{why}: ending; what was not committed is processed again");
                std::process::exit(1);
            }
        }
    }
}
