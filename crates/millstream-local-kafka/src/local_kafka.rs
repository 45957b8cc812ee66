//! One Kafka node as a child process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::child::{Guard, run, signal};
use crate::errors::{LocalKafkaError, last_lines};
use crate::install::install;
use crate::java::{find_java, kafka_class};
use crate::ports::{free_port, two_free_ports};
use crate::secured::{self, Secured};
use crate::server_properties::server_properties;

const SERVICE: &str = "Kafka";

/// The most that one node's heap takes.
const HEAP: &str = "-Xmx1g";

/// How long the node may take to get ready, and to stop.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a node's state is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How many pairs of ports are tried when other processes are quicker.
pub(crate) const PORT_TRIES: u32 = 3;

/// What a node logs when its broker is registered, unfenced and listening.
const READY: &str = "Kafka Server started";

/// What a node logs when another process has its port.
pub(crate) const PORT_TAKEN: &str = "Address already in use";

/// Any 16 bytes in base64.
const CLUSTER_ID: &str = "TWlsbHN0cmVhbUxvY2FsMQ";

/// Warnings and errors, and the one line that says that the node is ready.
const BROKER_OPTIONS: [&str; 5] = [
    "-Xms256m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
];

const TOOL_OPTIONS: [&str; 2] = ["-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];

/// A running Apache Kafka: one KRaft node on 127.0.0.1 with a data folder of its own.
///
/// Dropped, the node is killed and its data folder removed; so it is when this process ends without dropping it.
#[derive(Debug)]
pub struct LocalKafka {
    java: PathBuf,
    jars: PathBuf,
    address: String,
    /// The listener that demands credentials, and what it is made of.
    secured: Option<(String, Secured)>,
    /// Java's option for the most that the heap takes.
    heap: &'static str,
    /// The node; `None` while it is stopped.
    node: Option<Child>,
    /// How often the node was started: each start has a log of its own.
    starts: u32,
    guard: Guard,
    /// Last, as fields are dropped in this order: the guard must be gone before the folder is.
    folder: TempDir,
}

impl LocalKafka {
    /// Starts a node on free ports and waits until it is ready.
    ///
    /// # Errors
    ///
    /// Kafka cannot be installed (see [`install`]), or the node ends or is not ready within 60 s; the error has the
    /// last 20 lines of its log.
    pub fn start() -> Result<LocalKafka, LocalKafkaError> {
        LocalKafka::start_as(None)
    }

    /// As [`LocalKafka::start`], with one more listener, which demands credentials.
    ///
    /// # Errors
    ///
    /// As [`LocalKafka::start`].
    pub fn start_secured(secured: Secured) -> Result<LocalKafka, LocalKafkaError> {
        LocalKafka::start_as(Some(secured))
    }

    fn start_as(secured: Option<Secured>) -> Result<LocalKafka, LocalKafkaError> {
        let java = find_java()?;
        let jars = install()?;
        for _ in 1..PORT_TRIES {
            let mut kafka = LocalKafka::single(java.clone(), jars.clone(), secured.clone())?;
            match kafka.launch() {
                Err(LocalKafkaError::EndedAtStart { .. }) if kafka.log().contains(PORT_TAKEN) => {}
                result => return result.map(|()| kafka),
            }
        }
        let mut kafka = LocalKafka::single(java, jars, secured)?;
        kafka.launch()?;
        Ok(kafka)
    }

    fn single(java: PathBuf, jars: PathBuf, secured: Option<Secured>) -> Result<LocalKafka, LocalKafkaError> {
        let (broker, controller) = two_free_ports()?;
        let Some(secured) = secured else {
            return LocalKafka::format(java, jars, broker, HEAP, None, |logs| {
                server_properties(broker, controller, logs)
            });
        };
        let port = free_port()?;
        LocalKafka::format(java, jars, broker, secured::HEAP, Some((port, secured.clone())), |logs| {
            let folder = logs.parent().unwrap_or(logs);
            server_properties(broker, controller, logs) + &secured.properties(broker, controller, port, folder)
        })
    }

    /// The broker's address, `host:port`: what clients call their bootstrap servers. It stays over restarts.
    pub fn bootstrap_servers(&self) -> &str {
        &self.address
    }

    /// The address of the listener that demands credentials, `localhost:port`, if there is one.
    pub fn secured_bootstrap_servers(&self) -> Option<&str> {
        self.secured.as_ref().map(|(address, _)| address.as_str())
    }

    /// The node's folder: `server.properties`, a log file a start (`kafka-1.log`, …), and Kafka's data in `logs`.
    pub fn data_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the node in order (`SIGTERM`); ports and data stay for a [`LocalKafka::restart`]. A stopped node stays
    /// stopped.
    ///
    /// # Errors
    ///
    /// The node had to be killed after 60 s, or cannot be reached as a process.
    pub fn stop(&mut self) -> Result<(), LocalKafkaError> {
        let Some(node) = &mut self.node else { return Ok(()) };
        signal(node, "TERM").map_err(LocalKafkaError::io("send SIGTERM to Kafka"))?;
        let end = Instant::now() + LIMIT;
        while node.try_wait().map_err(LocalKafkaError::io("wait for Kafka"))?.is_none() {
            if Instant::now() > end {
                self.kill()?;
                let lines = last_lines(&self.log());
                return Err(LocalKafkaError::NotStopped { address: self.address.clone(), limit: LIMIT, lines });
            }
            thread::sleep(LOOK);
        }
        self.kill()
    }

    /// Stops the node in order (`SIGTERM`), then starts it on the same ports and data and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The node does not stop, or does not get ready; see [`LocalKafka::stop`] and [`LocalKafka::start`].
    pub fn restart(&mut self) -> Result<(), LocalKafkaError> {
        self.stop()?;
        self.launch()
    }

    /// Kills the node (`SIGKILL`), then starts it on the same ports and data and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The node does not get ready; see [`LocalKafka::start`].
    pub fn kill_and_restart(&mut self) -> Result<(), LocalKafkaError> {
        self.kill()?;
        self.launch()
    }

    /// Runs one of Kafka's command line tools to its end, with `--bootstrap-server` before `args`, and gives what it
    /// wrote to its standard output. `class` is the tool's Java class: `org.apache.kafka.tools.TopicCommand`.
    ///
    /// # Errors
    ///
    /// The tool cannot be run or ends with another status than 0; the error has the last 20 lines of its output.
    pub fn tool(&self, class: &str, args: &[&str]) -> Result<String, LocalKafkaError> {
        self.tool_with_input(class, args, "")
    }

    /// [`LocalKafka::tool`], with `input` as the tool's standard input: what a console producer sends, a record a
    /// line.
    ///
    /// # Errors
    ///
    /// As [`LocalKafka::tool`].
    pub fn tool_with_input(&self, class: &str, args: &[&str], input: &str) -> Result<String, LocalKafkaError> {
        let mut command = kafka_class(&self.java, &self.jars, self.folder.path(), &TOOL_OPTIONS, class);
        command.args(["--bootstrap-server", &self.address]).args(args);
        let output = run(command, input).map_err(LocalKafkaError::io(format!("run Kafka's {class}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let text = [output.stdout, output.stderr].concat();
        let lines = last_lines(&String::from_utf8_lossy(&text));
        Err(LocalKafkaError::ToolFailed { class: class.to_owned(), status: output.status, lines })
    }

    /// A node that is not started yet, with a formatted data folder. Clients find it at `port` of 127.0.0.1; `properties` makes
    /// its settings, given the folder for its data.
    pub(crate) fn format(
        java: PathBuf,
        jars: PathBuf,
        port: u16,
        heap: &'static str,
        secured: Option<(u16, Secured)>,
        properties: impl FnOnce(&Path) -> String,
    ) -> Result<LocalKafka, LocalKafkaError> {
        let folder = tempfile::Builder::new()
            .prefix("millstream-kafka-")
            .tempdir()
            .map_err(LocalKafkaError::io("make a data folder for Kafka"))?;
        let guard = Guard::start(Some(folder.path())).map_err(LocalKafkaError::io("start a shell to guard Kafka"))?;
        let address = format!("127.0.0.1:{port}");
        let text = properties(&folder.path().join("logs"));
        let mut arguments = Vec::new();
        let secured = match secured {
            Some((port, secured)) => {
                secured.write_files(folder.path()).map_err(LocalKafkaError::io("write the keystore of Kafka"))?;
                arguments = secured.format_arguments();
                Some((format!("localhost:{port}"), secured))
            }
            None => None,
        };
        let kafka = LocalKafka { java, jars, address, secured, heap, node: None, starts: 0, guard, folder };
        let properties = kafka.properties();
        fs::write(&properties, text).map_err(LocalKafkaError::io(format!("write the file {properties:?}")))?;

        let class = "kafka.tools.StorageTool";
        let mut command = kafka_class(&kafka.java, &kafka.jars, kafka.folder.path(), &TOOL_OPTIONS, class);
        command.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&properties).args(arguments);
        let output = run(command, "").map_err(LocalKafkaError::io("format Kafka's data folder"))?;
        if output.status.success() {
            return Ok(kafka);
        }
        let text = [output.stdout, output.stderr].concat();
        let lines = last_lines(&String::from_utf8_lossy(&text));
        Err(LocalKafkaError::NotFormatted { status: output.status, lines })
    }

    /// Starts the stopped node and waits until it is ready; a node that does not get ready is killed.
    fn launch(&mut self) -> Result<(), LocalKafkaError> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Starts the node, unless it runs, and does not wait: [`LocalKafka::is_ready`] says when it serves.
    ///
    /// # Errors
    ///
    /// The process cannot be started.
    pub fn spawn(&mut self) -> Result<(), LocalKafkaError> {
        if self.node.is_some() {
            return Ok(());
        }
        self.starts += 1;
        let path = self.log_path();
        let log = File::create(&path).map_err(LocalKafkaError::io(format!("make the file {path:?}")))?;
        let errors = log.try_clone().map_err(LocalKafkaError::io(format!("open the file {path:?} twice")))?;
        let mut options = BROKER_OPTIONS.to_vec();
        options.push(self.heap);
        let mut command = kafka_class(&self.java, &self.jars, self.folder.path(), &options, "kafka.Kafka");
        command.arg(self.properties()).stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        let (node, _) = self.guard.spawn(command).map_err(LocalKafkaError::io("start Kafka"))?;
        self.node = Some(node);
        Ok(())
    }

    /// Whether the node serves since its last start.
    ///
    /// # Errors
    ///
    /// It has ended by itself; the error has the last 20 lines of its log.
    pub fn is_ready(&mut self) -> Result<bool, LocalKafkaError> {
        let Some(node) = &mut self.node else { return Ok(false) };
        if let Some(status) = node.try_wait().map_err(LocalKafkaError::io("wait for Kafka"))? {
            let lines = last_lines(&self.log());
            let address = self.address.clone();
            return Err(LocalKafkaError::EndedAtStart { service: SERVICE, address, status, lines });
        }
        Ok(self.log().contains(READY))
    }

    /// Has the node stand still (`SIGSTOP`), with its connections open, until [`LocalKafka::resume`].
    ///
    /// # Errors
    ///
    /// It cannot be reached as a process.
    pub fn pause(&mut self) -> Result<(), LocalKafkaError> {
        self.send("STOP")
    }

    /// Has a node that stands still go on (`SIGCONT`).
    ///
    /// # Errors
    ///
    /// As [`LocalKafka::pause`].
    pub fn resume(&mut self) -> Result<(), LocalKafkaError> {
        self.send("CONT")
    }

    fn send(&mut self, name: &str) -> Result<(), LocalKafkaError> {
        let Some(node) = &self.node else { return Ok(()) };
        signal(node, name).map(|_| ()).map_err(LocalKafkaError::io(format!("send SIG{name} to Kafka")))
    }

    pub(crate) fn wait_until_ready(&mut self) -> Result<(), LocalKafkaError> {
        let ready = self.poll_until_ready();
        if ready.is_err() {
            self.kill()?;
        }
        ready
    }

    fn poll_until_ready(&mut self) -> Result<(), LocalKafkaError> {
        let end = Instant::now() + LIMIT;
        while !self.is_ready()? {
            if Instant::now() > end {
                let lines = last_lines(&self.log());
                let address = self.address.clone();
                return Err(LocalKafkaError::NotReady { service: SERVICE, address, limit: LIMIT, lines });
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Kills the node (`SIGKILL`), if it still runs, and waits for its end; ports and data stay for a restart.
    ///
    /// # Errors
    ///
    /// It cannot be reached as a process.
    pub fn kill(&mut self) -> Result<(), LocalKafkaError> {
        let Some(mut node) = self.node.take() else { return Ok(()) };
        let ended = node.kill().and_then(|()| node.wait());
        ended.map_err(LocalKafkaError::io("kill Kafka"))?;
        self.guard.forget().map_err(LocalKafkaError::io("tell Kafka's guard of its end"))
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join(format!("kafka-{}.log", self.starts))
    }

    /// The log of the last start, empty if it cannot be read: it is waited for, and shown in errors.
    fn log(&self) -> String {
        fs::read(self.log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for LocalKafka {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            // Nobody is left to take the error, and a node that lives on must not go unseen.
            let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{error}\n"));
        }
    }
}
