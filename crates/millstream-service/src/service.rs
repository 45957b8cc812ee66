use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use millstream::broker::Broker;
use millstream::dsl::TopologyBuilder;
use millstream::topology::Define;
use millstream::worker::{Application, Moment, Options};
use millstream_formats::Formats;

use crate::background::{Background, Server};
use crate::cli::{Cli, Command, Form};
use crate::embedded::Embedded;
use crate::error::{Error, UserError};
use crate::health::Health;
use crate::http::{Access, Shown, Tls};
use crate::memory::{self, MemoryWatch};
use crate::metrics::Metrics;
use crate::run::{RunOptions, run_observed};
use crate::settings::{Settings, Sources};
use crate::state::{self, HttpPeers};
use crate::stop::Stop;
use crate::{healthcheck, http, logs, start};

type WithBroker<T> = Box<dyn FnOnce(&dyn Broker) -> Result<T, UserError>>;

/// A process that runs a topology: what a service's `main` builds.
///
/// ```no_run
/// # fn word_count(_: &millstream::dsl::TopologyBuilder) {}
/// fn main() -> std::process::ExitCode {
///     millstream_service::Service::new("word-count", word_count).main()
/// }
/// ```
pub struct Service {
    name: &'static str,
    define: Define,
    load: Option<WithBroker<()>>,
    results: Option<WithBroker<String>>,
    defaults: Option<&'static str>,
    formats: Formats,
}

impl Service {
    /// A service of that name, which is also its application id unless a setting says otherwise.
    pub fn new(name: &'static str, topology: impl Fn(&TopologyBuilder) + Send + Sync + 'static) -> Self {
        Service {
            name,
            define: Arc::new(topology),
            load: None,
            results: None,
            defaults: None,
            formats: Formats::default(),
        }
    }

    /// What creates the service's own topics, where they are missing, and writes its example input: called before the run on
    /// the embedded broker, and with `--load` on a cluster. See [`RecordWriter`](millstream::client::RecordWriter).
    pub fn load(mut self, load: impl FnOnce(&dyn Broker) -> Result<(), UserError> + 'static) -> Self {
        self.load = Some(Box::new(load));
        self
    }

    /// The results as text, printed after a run that ended because all input was processed. See
    /// [`read_all`](millstream::client::read_all).
    pub fn results(mut self, results: impl FnOnce(&dyn Broker) -> Result<String, UserError> + 'static) -> Self {
        self.results = Some(Box::new(results));
        self
    }

    /// The service's own settings, as YAML: used when no `--config` is given.
    pub fn defaults(mut self, yaml: &'static str) -> Self {
        self.defaults = Some(yaml);
        self
    }

    /// What the program asks for the serdes of its topics and stores: their formats are as the settings say (`formats`).
    pub fn formats(mut self, formats: &Formats) -> Self {
        self.formats = formats.clone();
        self
    }

    /// Does what the command line asks for. Errors go to stderr. The exit code is 0 when all went well, 2 for bad usage
    /// or settings, 1 for everything else.
    pub fn main(self) -> ExitCode {
        self.main_from(std::env::args_os())
    }

    /// As [`Service::main`], with a command line of the caller's; the first argument is the program's name.
    pub fn main_from(self, arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
        let command = Cli::command().name(self.name);
        let cli = command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
        let cli = match cli {
            Ok(cli) => cli,
            Err(asked_or_wrong) => {
                // Help goes to stdout with 0, an error to stderr with 2. Where neither can be written, nothing can be said.
                let _ = asked_or_wrong.print();
                return ExitCode::from(u8::try_from(asked_or_wrong.exit_code()).unwrap_or(2));
            }
        };
        let sources = Sources {
            service: self.name.to_owned(),
            built_in: self.defaults,
            file: cli.config.clone(),
            environment: std::env::vars_os().collect(),
            set: cli.set.clone(),
            bootstrap_servers: cli.bootstrap_servers.clone(),
        };
        let is_healthcheck = cli.command.is_some();
        let name = self.name;
        let done = match sources.load() {
            Ok(settings) => {
                let secrets = settings.secrets.clone();
                self.run(&cli, settings).map_err(|error| (secrets.hide(&error.to_string()), error.exit_code()))
            }
            Err(error) => Err(Error::Settings(error)).map_err(|error| (error.to_string(), error.exit_code())),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err((message, code)) => {
                let _ = writeln!(std::io::stderr(), "{name}: {message}");
                // Who calls a health check knows 0 and 1 alone.
                ExitCode::from(if is_healthcheck { 1 } else { code })
            }
        }
    }

    fn run(mut self, cli: &Cli, settings: Settings) -> Result<(), Error> {
        if let Some(Command::Healthcheck { probe }) = &cli.command {
            return print(&healthcheck::ask(&settings.http, probe.path())?);
        }
        if cli.load && self.load.is_none() {
            return Err(Error::Usage("--load: this service has no example input".to_owned()));
        }
        if cli.print_config {
            let yaml = settings.to_yaml().map_err(|error| Error::system("the settings as YAML", &error))?;
            return print(&yaml);
        }
        let chosen = settings.formats()?;
        let registry = chosen.registry.clone();
        self.formats
            .set(chosen)
            .map_err(|_| Error::Usage("the formats are those of another service, too".to_owned()))?;
        // What is in memory is gone with the process, so a run on the embedded broker ends with its input.
        let is_embedded = cli.embedded || settings.bootstrap_servers.is_none();
        let until = cli.until.or((is_embedded && !cli.keep_running).then_some(Moment::End));
        let options = Options { from: cli.from, until, ..settings.options() };
        let application = Application::new(options, self.define.clone())?;
        if let Some(form) = cli.describe {
            let topology = &application.topology;
            return print(&match form {
                Form::Text => topology.to_string(),
                Form::Mermaid => topology.to_mermaid(),
                Form::Graphviz => topology.to_graphviz(),
            });
        }
        logs::start(&settings.log);
        if let Some(registry) = &registry {
            start::wait_for_registry(registry, broker_wait(&settings))?;
        }
        if cli.plan {
            let (broker, _embedded) = self.broker(cli, &settings)?;
            return print(&start::plan(&application, &*broker, broker_wait(&settings))?.to_string());
        }
        self.serve(cli, &settings, application)
    }

    /// The broker of the settings, with the example input if that is asked for. An embedded one has nothing else.
    fn broker(&mut self, cli: &Cli, settings: &Settings) -> Result<(Arc<dyn Broker>, Option<Embedded>), Error> {
        let (broker, embedded) = match &settings.bootstrap_servers {
            Some(servers) if !cli.embedded => (start::connect(settings, servers)?, None),
            _ => {
                let embedded = Embedded::start(&settings.application_id)?;
                (embedded.broker.clone(), Some(embedded))
            }
        };
        if let Some(load) = self.load.take_if(|_| embedded.is_some() || (cli.load && !cli.plan)) {
            tracing::info!("loading the example input");
            load(&*broker).map_err(Error::Load)?;
        }
        Ok((broker, embedded))
    }

    fn serve(mut self, cli: &Cli, settings: &Settings, application: Arc<Application>) -> Result<(), Error> {
        let Settings { application_id, instance_id, .. } = settings;
        let stop = Arc::new(Stop::default());
        let health = Arc::new(Health::new(stop.clone(), settings.stuck_after_ms));
        health.set_application(application.clone());
        let http = match settings.http.enabled {
            true => {
                let listener = http::bind(&settings.http)?;
                let address = listener.local_addr().map_err(|error| Error::system("the address of HTTP", &error))?;
                let (tls, access) = (Tls::new(&settings.http.tls)?, Access::new(&settings.http, address));
                tracing::info!(tls = tls.is_some(), %address, "HTTP: /livez, /readyz, /metrics; {}", access.described());
                let metrics = Metrics::new(health.clone(), application_id, instance_id)?;
                let shown = Arc::new(Shown { health: health.clone(), metrics });
                let router = http::router(shown, state::routes(), access);
                Some(Server { listener, router, tls })
            }
            false => None,
        };
        let shutdown_timeout = Duration::from_millis(settings.shutdown_timeout_ms);
        let background = Background::start(http, stop.clone(), health.clone(), shutdown_timeout)?;

        let (broker, embedded) = self.broker(cli, settings)?;
        health.set_broker(broker.clone());
        let wait = broker_wait(settings);
        let plan = start::plan(&application, &*broker, wait)?;
        start::create_internal(&application, &*broker, &plan, wait)?;
        start::check_writable(&application, wait)?;
        tracing::info!(
            application_id,
            instance_id,
            workers = settings.workers,
            tasks = plan.tasks.iter().sum::<i32>(),
            broker = settings.bootstrap_servers.as_deref().filter(|_| embedded.is_none()).unwrap_or("embedded"),
            "running"
        );
        let peers = HttpPeers::new(background.runtime(), &settings.http)?;
        let options = RunOptions { shutdown_timeout, peers: Some(Arc::new(peers)) };
        stop.begin();
        let limit = memory::limit(settings.memory_limit.as_deref());
        let grace = Duration::from_millis(settings.memory_limit_grace_ms);
        let watch = limit.map(|limit| MemoryWatch::start(limit, grace, health.clone(), stop.clone())).transpose()?;
        let ran =
            run_observed(application, broker.clone(), &options, stop.flag(), |status| health.set_instance(status));
        if let Some(message) = watch.as_ref().and_then(MemoryWatch::failure) {
            return Err(Error::Memory(message));
        }
        ran?;
        if stop.is_requested() {
            tracing::info!("ended as asked");
            return Ok(());
        }
        // Nothing else than the end of the input ends a run well that was not asked to.
        tracing::info!("ended: all input is processed and committed");
        match self.results {
            Some(results) => print(&results(&*broker).map_err(Error::Results)?),
            None => Ok(()),
        }
    }
}

fn broker_wait(settings: &Settings) -> Duration {
    Duration::from_millis(settings.broker_wait_ms)
}

fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Error::system("writing to stdout", &error))
}
