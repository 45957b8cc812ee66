//! A service as a process: its command line, exit codes, output, HTTP and signals, on the embedded broker.
//!
//! This executable is the service too: called with `service` it runs the rest of its arguments as that.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream_service::{Service, UserError};

/// Within this time everything here must have happened.
const LIMIT: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    if arguments.first().is_some_and(|first| first == "service") {
        return service().main_from([program].into_iter().chain(arguments.into_iter().skip(1)));
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    let tests: [(&str, fn()); 12] = [
        ("counts_to_the_end", counts_to_the_end),
        ("prints_its_topology_and_plan", prints_its_topology_and_plan),
        ("prints_its_settings_without_secrets", prints_its_settings_without_secrets),
        ("refuses_bad_usage_with_2", refuses_bad_usage_with_2),
        ("tells_a_port_that_is_taken", tells_a_port_that_is_taken),
        ("gives_up_waiting_for_a_broker", gives_up_waiting_for_a_broker),
        ("ends_while_it_waits_for_a_broker", ends_while_it_waits_for_a_broker),
        ("serves_http_and_ends_on_sigterm", serves_http_and_ends_on_sigterm),
        ("a_second_signal_ends_at_once", a_second_signal_ends_at_once),
        ("fails_with_1_on_a_bad_record", fails_with_1_on_a_bad_record),
        ("logs_json", logs_json),
        ("ends_with_1_at_its_limit_of_memory", ends_with_1_at_its_limit_of_memory),
    ];
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(&filter)) {
        println!("test {name}");
        // A failed assertion ends the process, with its message.
        test();
    }
    println!("process: all well");
    ExitCode::SUCCESS
}

fn lines() -> Topic<(), String> {
    Topic::new("lines", Unit, Utf8)
}

fn counts() -> Topic<String, i64> {
    Topic::new("counts", Utf8, Be64)
}

/// Keeps 16 KiB for each line, and takes its time: memory is to be looked at while it grows.
fn growing(b: &TopologyBuilder) {
    b.stream(&lines())
        .group_by(Topic::new("words", Utf8, Utf8), |_, line| line.clone())
        .aggregate(
            Store::new("kept", Utf8, Bytes).without_changelog(),
            || vec![1; 1 << 14],
            |_, _, _| std::thread::sleep(Duration::from_micros(250)),
        )
        .to_stream()
        .filter(|_, _| false);
}

fn topology(b: &TopologyBuilder) {
    if std::env::var_os("GROWING").is_some() {
        return growing(b);
    }
    b.stream(&lines())
        .flat_map_values(|line| line.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>())
        .group_by(Topic::new("words", Utf8, Utf8), |_, word| word.clone())
        .count(Store::new("word-counts", Utf8, Be64))
        .to_stream()
        .map_values(|count| {
            if std::env::var_os("SLOW").is_some() {
                std::thread::sleep(Duration::from_secs(60));
            }
            count.unwrap_or(0)
        })
        .to(&counts());
}

fn load(broker: &dyn Broker) -> Result<(), UserError> {
    let topics = ["lines", "counts"].map(|name| NewTopic {
        name: name.to_owned(),
        partitions: 2,
        replication_factor: None,
        cleanup_policy: CleanupPolicy::Delete,
        config: BTreeMap::new(),
    });
    broker.create(&topics)?;
    let text = std::env::var("INPUT").unwrap_or_else(|_| "to be or\nnot to be".to_owned());
    let mut writer = RecordWriter::new(broker)?;
    let now = millstream_service::run::now_ms();
    for line in text.lines() {
        writer.send(&lines(), &Record::new((), Some(line.to_owned()), now))?;
    }
    if std::env::var_os("BAD").is_some() {
        let bytes: Topic<(), Vec<u8>> = Topic::new("lines", Unit, Bytes);
        writer.send(&bytes, &Record::new((), Some(vec![0xff]), now))?;
    }
    Ok(writer.flush()?)
}

fn results(broker: &dyn Broker) -> Result<String, UserError> {
    let records = read_all(broker, &counts(), LIMIT)?.into_iter().map(|read| (read.record.key, read.record.value));
    let last: BTreeMap<_, _> = records.collect();
    Ok(last.into_iter().map(|(word, count)| format!("{word} {}\n", count.unwrap_or(0))).collect())
}

fn service() -> Service {
    Service::new("word-count", topology).load(load).results(results).defaults("http:\n  port: 0\n")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("service").args(arguments).env_remove("RUST_BACKTRACE");
    command
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A service that runs in the background; killed when dropped.
struct Running {
    child: Child,
    errors: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, errors) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                let _ = sender.send(line);
            });
        });
        Running { child, errors, seen: Vec::new() }
    }

    /// Waits for a line of the log that has `part` in it.
    fn wait_for(&mut self, part: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            match self.errors.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {part:?} among\n{}", self.seen.join("\n")),
            }
        }
    }

    /// The port of its HTTP, from the log.
    fn port(&mut self) -> u16 {
        let line = self.wait_for("address=127.0.0.1:");
        line.rsplit("127.0.0.1:").next().unwrap().trim().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let killed = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Its exit code, and how long it took from now.
    fn end(&mut self) -> (i32, Duration) {
        let start = Instant::now();
        while start.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code().unwrap_or(-1), start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("still running after {LIMIT:?}:\n{}", self.seen.join("\n"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn counts_to_the_end() {
    let output = output(&[]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(text(&output.stdout), "be 2\nnot 1\nor 1\nto 2\n", "{log}");
    assert!(log.contains("loading the example input"), "{log}");
    assert!(log.contains("creating internal topic topic=\"word-count-words-repartition\" partitions=2"), "{log}");
    assert!(log.contains("ended: all input is processed and committed"), "{log}");
}

fn prints_its_topology_and_plan() {
    let described = output(&["--describe", "--bootstrap-servers", "127.0.0.1:1"]);
    assert_eq!(described.status.code(), Some(0));
    let description = text(&described.stdout);
    assert!(description.starts_with("topology word-count\n  sub-topology 0\n"), "{description}");
    assert!(description.contains("store word-counts: word-count-word-counts-changelog"), "{description}");
    assert_eq!(text(&output(&["--describe=text"]).stdout), description);
    let begins = [("mermaid", "---\ntitle: \"topology word-count\"\n---\nflowchart TB\n"), ("graphviz", "digraph {\n")];
    for (format, begin) in begins {
        let drawn = output(&[&format!("--describe={format}")]);
        assert!(text(&drawn.stdout).starts_with(begin), "{}", text(&drawn.stdout));
    }
    let unknown = output(&["--describe=svg"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("text, mermaid, graphviz"), "{}", text(&unknown.stderr));

    let planned = output(&["--plan", "--set", "application_id=other"]);
    assert_eq!(
        text(&planned.stdout),
        "sub-topology 0: 2 tasks\nsub-topology 1: 2 tasks\n\
         other-words-repartition: 2 partitions, delete, retention.ms=-1 (to be created)\n\
         other-word-counts-changelog: 2 partitions, compact (to be created)\n\
         other-instances: 1 partitions, compact, segment.ms=600000 (to be created)\n"
    );
    assert_eq!(planned.status.code(), Some(0));
}

fn prints_its_settings_without_secrets() {
    let output = command(&["--print-config", "--set", "kafka.properties.sasl.password=${env:PASSWORD}"])
        .env("PASSWORD", "hunter2")
        .env("MILLSTREAM_WORKERS", "3")
        .output()
        .unwrap();
    let settings = text(&output.stdout);
    assert!(settings.contains("\nworkers: 3\n") && settings.contains("\n  port: 0\n"), "{settings}");
    assert!(settings.contains("    sasl.password: \"***\"\n"), "{settings}");
    assert!(!settings.contains("hunter2") && output.stderr.is_empty(), "{settings}");
    assert_eq!(output.status.code(), Some(0));
}

fn refuses_bad_usage_with_2() {
    let settings = output(&["--set", "worker=2", "--set", "http.port=x"]);
    assert_eq!(settings.status.code(), Some(2));
    let message = text(&settings.stderr);
    assert!(
        message.starts_with("word-count: the settings are not valid:\n--set worker: worker: unknown key; did "),
        "{message}"
    );
    assert!(
        message.ends_with("\n--set http.port: http.port: found `x`; accepted: a whole number from 0 to 65535\n"),
        "{message}"
    );
    assert!(settings.stdout.is_empty());

    let both = output(&["--embedded", "--bootstrap-servers", "b:1"]);
    assert_eq!(both.status.code(), Some(2));
    assert!(text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));

    let property = output(&["--bootstrap-servers", "b:1", "--set", "kafka.consumer.enable.auto.commit=true"]);
    assert_eq!(property.status.code(), Some(2));
    let message = text(&property.stderr);
    assert!(
        message.contains(
            "not valid:\nkafka.consumer: the Kafka property enable.auto.commit cannot be set: it is always false"
        ),
        "{message}"
    );
    let unknown = output(&["--bootstrap-servers", "b:1", "--set", "kafka.properties.no.such=1"]);
    assert_eq!(unknown.status.code(), Some(2));
    let message = text(&unknown.stderr);
    assert!(message.contains("not valid:\nkafka: ") && message.contains("no.such"), "{message}");

    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("[OPTIONS] [COMMAND]\n"), "{}", text(&help.stdout));
}

fn tells_a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = output(&["--set", &format!("http.port={port}")]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    let expected = format!("word-count: cannot serve HTTP at 127.0.0.1:{port}: another process has that port. ");
    assert!(message.contains(&expected), "{message}");
}

fn gives_up_waiting_for_a_broker() {
    let start = Instant::now();
    let output = output(&["--bootstrap-servers", "127.0.0.1:1", "--set", "broker_wait_ms=1500"]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(log.contains("waiting for a Kafka broker at 127.0.0.1:1: 1 of 1 s"), "{log}");
    assert!(log.contains("word-count: cannot start: no Kafka broker answered at 127.0.0.1:1 within 1.5 s: "), "{log}");
}

fn ends_while_it_waits_for_a_broker() {
    let mut service = Running::start(&mut command(&["--bootstrap-servers", "127.0.0.1:1"]));
    service.wait_for("waiting for a Kafka broker at 127.0.0.1:1: 1 of 60 s");
    service.signal("TERM");
    let (code, took) = service.end();
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

fn serves_http_and_ends_on_sigterm() {
    let mut service = Running::start(&mut command(&["--keep-running", "--set", "workers=2"]));
    let port = service.port();
    service.wait_for("running");
    let healthcheck = |probe: &str| output(&["healthcheck", probe, "--set", &format!("http.port={port}")]);
    let end = Instant::now() + LIMIT;
    let all_tasks = |body: &str| body.matches("\"state\":\"running\"").count() == 4;
    while !all_tasks(&get(port, "/readyz")) {
        assert!(Instant::now() < end, "{}", get(port, "/readyz"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get(port, "/livez").ends_with("\r\n\r\nrunning\n"));
    let ready = healthcheck("ready");
    assert_eq!((ready.status.code(), all_tasks(&text(&ready.stdout))), (Some(0), true), "{ready:?}");
    assert_eq!(healthcheck("live").status.code(), Some(0));
    let sum = |name: &str| -> f64 {
        let metrics = get(port, "/metrics");
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    // Two lines, and the six words in them.
    while sum("millstream_records_consumed_total{") < 8.0 {
        assert!(Instant::now() < end, "{}", get(port, "/metrics"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(sum("millstream_tasks{"), 4.0);
    assert!(get(port, "/metrics").contains("application_id=\"word-count\""));

    service.signal("TERM");
    let (code, took) = service.end();
    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(2), "{took:?}");
    service.wait_for("SIGTERM: committing, leaving the group, ending");
    service.wait_for("ended as asked");
    assert_eq!(healthcheck("live").status.code(), Some(1));
}

fn a_second_signal_ends_at_once() {
    for (first, second, code) in [("TERM", "INT", 130), ("INT", "TERM", 143)] {
        let mut service = Running::start(command(&["--keep-running"]).env("SLOW", "1"));
        let port = service.port();
        service.wait_for("running");
        // A worker that sleeps in user code cannot commit.
        let end = Instant::now() + LIMIT;
        while !get(port, "/metrics").contains("millstream_tasks{worker=\"0\",state=\"running\"} 4") {
            assert!(Instant::now() < end, "{}", get(port, "/metrics"));
        }
        std::thread::sleep(Duration::from_millis(500));
        service.signal(first);
        service.wait_for("a second signal ends at once");
        service.signal(second);
        let (found, took) = service.end();
        assert_eq!(found, code);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }

    // Without a second one, it ends by itself, and not well.
    let mut service = Running::start(command(&["--keep-running", "--set", "shutdown_timeout_ms=700"]).env("SLOW", "1"));
    service.wait_for("running");
    std::thread::sleep(Duration::from_secs(1));
    service.signal("TERM");
    let (code, took) = service.end();
    assert_eq!(code, 1);
    assert!(took > Duration::from_millis(600) && took < Duration::from_secs(2), "{took:?}");
    service.wait_for("the workers did not end within 700ms");
}

fn fails_with_1_on_a_bad_record() {
    let output = command(&[]).env("BAD", "1").output().unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("word-count: ") && last.contains("source-lines"), "{log}");
    assert!(output.stdout.is_empty(), "no results of a run that failed");
}

fn logs_json() {
    let output = output(&["--set", "log.format=json", "--set", "log.level=warn,millstream_service=info"]);
    let log = text(&output.stderr);
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["message"].is_string() && line["level"] == "INFO", "{line}");
        assert!(line["target"].as_str().unwrap().starts_with("millstream_service"), "{line}");
    }
    assert!(log.contains("\"message\":\"loading the example input\""), "{log}");
}

/// More and more lines come; the process slows down, says why it is not ready, and ends in order.
fn ends_with_1_at_its_limit_of_memory() {
    let input: Vec<String> = (0..16_000).map(|line| line.to_string()).collect();
    let mut running = Running::start(
        command(&["--keep-running", "--set", "memory_limit=200MiB", "--set", "memory_limit_grace_ms=1500"])
            .env("GROWING", "1")
            .env("INPUT", input.join("\n")),
    );
    let port = running.port();
    running.wait_for("85 % or more: reading slowly");
    let message = running.wait_for("so nothing is read any more");
    assert!(message.contains("of 200 MiB") && message.contains("The largest stores: kept"), "{message}");
    let ready = get(port, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("so nothing is read any more"), "{ready}");
    let metrics = get(port, "/metrics");
    assert!(metrics.contains("millstream_store_bytes{worker=\"0\",store=\"kept\"}"), "{metrics}");
    assert_eq!(running.end().0, 1);
    running.wait_for("It stayed there for 1500 ms: ending");
    assert!(!running.seen.iter().any(|line| line.contains("did not end within")), "{:?}", running.seen);
}
