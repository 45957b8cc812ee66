//! A schema registry as a child process.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::child::{Guard, gated};
use crate::errors::{LocalKafkaError, last_lines};
use crate::install::install_registry;
use crate::java::find_java;
use crate::local_kafka::{PORT_TAKEN, PORT_TRIES};
use crate::ports::free_port;

const SERVICE: &str = "the schema registry";

const JAR: &str = "apicurio-registry-app-3.0.9-runner.jar";

/// Where it speaks the API of Confluent's registry.
const API: &str = "/apis/ccompat/v7";

/// Half of what Java would take on a small machine. It starts sooner where code is compiled once, and its schemas are in memory.
const OPTIONS: [&str; 4] = ["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:+PerfDisableSharedMem"];

/// How long the registry may take to get ready.
const LIMIT: Duration = Duration::from_secs(90);

/// How often it is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(100);

/// How long one answer may take while it starts.
const ANSWER: Duration = Duration::from_secs(5);

/// A running Apicurio Registry on 127.0.0.1, empty at its start, with all schemas in memory.
///
/// Dropped, it is killed; so it is when this process ends without dropping it.
#[derive(Debug)]
pub struct LocalRegistry {
    address: SocketAddr,
    process: Child,
    guard: Guard,
    /// Last, as fields are dropped in this order: the guard must be gone before the folder is.
    folder: TempDir,
}

impl LocalRegistry {
    /// Starts a registry on a free port and waits until it answers. The first start on a machine fetches it, 109 MB, as
    /// [`install`](crate::install) does with Kafka.
    ///
    /// # Errors
    ///
    /// Java or Maven are missing, Maven fails, or the registry ends or does not answer within 90 s; the error has the last 20
    /// lines of its log.
    pub fn start() -> Result<LocalRegistry, LocalKafkaError> {
        let (java, home) = (find_java()?, install_registry()?);
        for _ in 1..PORT_TRIES {
            let mut registry = LocalRegistry::spawn(&java, &home)?;
            match registry.wait_until_ready() {
                Err(LocalKafkaError::EndedAtStart { lines, .. }) if lines.contains(PORT_TAKEN) => {}
                result => return result.map(|()| registry),
            }
        }
        let mut registry = LocalRegistry::spawn(&java, &home)?;
        registry.wait_until_ready()?;
        Ok(registry)
    }

    /// Where clients of Confluent's registry find it: `http://127.0.0.1:<port>/apis/ccompat/v7`.
    pub fn url(&self) -> String {
        format!("http://{}{API}", self.address)
    }

    fn spawn(java: &Path, home: &Path) -> Result<LocalRegistry, LocalKafkaError> {
        let folder = tempfile::Builder::new()
            .prefix("millstream-registry-")
            .tempdir()
            .map_err(LocalKafkaError::io("make a folder for the schema registry"))?;
        let mut guard =
            Guard::start(Some(folder.path())).map_err(LocalKafkaError::io("start a shell to guard the registry"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let path = log_path(folder.path());
        let log = File::create(&path).map_err(LocalKafkaError::io(format!("make the file {path:?}")))?;
        let errors = log.try_clone().map_err(LocalKafkaError::io(format!("open the file {path:?} twice")))?;
        let mut temporary = std::ffi::OsString::from("-Djava.io.tmpdir=");
        temporary.push(folder.path());
        let mut command = gated(java);
        command
            .args(OPTIONS)
            .arg(temporary)
            .arg(format!("-Dquarkus.http.host={}", address.ip()))
            .arg(format!("-Dquarkus.http.port={}", address.port()))
            // A line for each request would be all of the log.
            .arg("-Dquarkus.http.access-log.enabled=false")
            .arg("-jar")
            .arg(home.join(JAR))
            .current_dir(folder.path())
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors));
        let (process, _) = guard.spawn(command).map_err(LocalKafkaError::io("start the schema registry"))?;
        Ok(LocalRegistry { address, process, guard, folder })
    }

    fn wait_until_ready(&mut self) -> Result<(), LocalKafkaError> {
        let end = Instant::now() + LIMIT;
        while !self.answers() {
            let (service, address) = (SERVICE, self.address.to_string());
            if let Some(status) = self.process.try_wait().map_err(LocalKafkaError::io("wait for the registry"))? {
                return Err(LocalKafkaError::EndedAtStart { service, address, status, lines: self.last_lines() });
            }
            if Instant::now() > end {
                return Err(LocalKafkaError::NotReady { service, address, limit: LIMIT, lines: self.last_lines() });
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether it lists its subjects. While it starts, a refused connection and an error of its own are the answer.
    fn answers(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut connection = TcpStream::connect_timeout(&self.address, ANSWER)?;
            connection.set_read_timeout(Some(ANSWER))?;
            write!(connection, "GET {API}/subjects HTTP/1.0\r\nHost: {}\r\n\r\n", self.address)?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok(answer.split_whitespace().nth(1) == Some("200"))
        };
        ask().unwrap_or(false)
    }

    /// The end of its log, empty if that cannot be read: it is there to be shown in errors.
    fn last_lines(&self) -> String {
        let log = fs::read(log_path(self.folder.path())).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log))
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("registry.log")
}

impl Drop for LocalRegistry {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait()).and_then(|_| self.guard.forget());
        if let Err(error) = ended {
            // Nobody is left to take the error, and a registry that lives on must not go unseen.
            let _ = writeln!(io::stderr(), "cannot kill the schema registry: {error}");
        }
    }
}
