//! The local Kafka, by its own tools.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::install::{COPY, POM, install_in};
use crate::java::major_version;
use crate::test_broker::{Choice, choice};
use crate::{LocalCluster, LocalKafka, LocalKafkaError, LocalRegistry, TestBroker, is_available, test_broker};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// Set for the process that starts a Kafka only to be killed.
const DOOMED: &str = "MILLSTREAM_LOCAL_KAFKA_DOOMED";

/// Whether a Kafka is to be started. If not, a line says why; a Kafka that was asked for has to be there.
fn starts_kafka() -> bool {
    let asked = choice(std::env::var("MILLSTREAM_TEST_BROKER").ok().as_deref()).unwrap();
    let reason = match (asked, is_available()) {
        (Choice::Embedded | Choice::Address(_), _) => "MILLSTREAM_TEST_BROKER asks for none to be started".to_owned(),
        (Choice::Kafka, Err(missing)) => panic!("MILLSTREAM_TEST_BROKER is kafka, but: {missing}"),
        (Choice::All, Err(missing)) => missing.to_string(),
        (_, Ok(())) => return true,
    };
    let thread = thread::current();
    let test = thread.name().unwrap_or_default();
    writeln!(io::stderr(), "{test}: not run, as no Kafka is started: {reason}").unwrap();
    false
}

fn consume(kafka: &LocalKafka, records: &str) -> String {
    let args = ["--topic", "words", "--from-beginning", "--timeout-ms", "20000", "--max-messages", records];
    kafka.tool(CONSUMER, &args).unwrap()
}

/// Waits until nothing listens at `address` and nothing is at `path`.
fn wait_until_gone(address: &str, path: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(address).is_ok() || path.exists() {
        assert!(Instant::now() < end, "still there: {address} or {path:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn data_and_address_survive_restarts_and_nothing_survives_the_drop() {
    if !starts_kafka() {
        return;
    }
    let mut kafka = LocalKafka::start().unwrap();
    let address = kafka.bootstrap_servers().to_owned();
    kafka.tool(TOPICS, &["--create", "--topic", "words", "--partitions", "3"]).unwrap();
    kafka.tool_with_input(PRODUCER, &["--topic", "words"], "one\n").unwrap();
    assert_eq!(consume(&kafka, "1"), "one\n");

    kafka.restart().unwrap();
    assert_eq!(consume(&kafka, "1"), "one\n");
    kafka.tool_with_input(PRODUCER, &["--topic", "words"], "two\n").unwrap();

    kafka.kill_and_restart().unwrap();
    let mut words: Vec<String> = consume(&kafka, "2").lines().map(str::to_owned).collect();
    words.sort();
    assert_eq!(words, ["one", "two"]);
    assert_eq!(kafka.bootstrap_servers(), address);

    kafka.stop().unwrap();
    assert!(TcpStream::connect(&address).is_err(), "a stopped broker listens at {address}");
    kafka.restart().unwrap();
    let topics = kafka.tool(TOPICS, &["--list"]).unwrap();
    assert!(topics.lines().any(|topic| topic == "words"), "{topics}");

    let folder = kafka.data_folder().to_owned();
    assert!(folder.exists());
    drop(kafka);
    wait_until_gone(&address, &folder);
}

#[test]
fn a_cluster_keeps_everything_on_three_nodes_and_serves_with_any_two() {
    if !starts_kafka() {
        return;
    }
    let mut cluster = LocalCluster::start(None).unwrap();
    assert_eq!(cluster.bootstrap_servers().split(',').count(), 3);
    cluster.broker(0).tool(TOPICS, &["--create", "--topic", "words", "--partitions", "3"]).unwrap();
    let told = cluster.broker(0).tool(TOPICS, &["--describe", "--topic", "words"]).unwrap();
    assert_eq!(told.matches("ReplicationFactor: 3").count(), 1, "{told}");
    cluster.broker(0).tool_with_input(PRODUCER, &["--topic", "words"], "one\n").unwrap();

    cluster.broker(1).kill().unwrap();
    assert_eq!(consume(cluster.broker(0), "1"), "one\n");
    cluster.broker(2).tool_with_input(PRODUCER, &["--topic", "words"], "two\n").unwrap();
    cluster.broker(1).kill_and_restart().unwrap();

    // One that stands still longer than its session loses its place, and takes it again; the one that was away has all.
    cluster.broker(2).pause().unwrap();
    thread::sleep(Duration::from_secs(5));
    cluster.broker(2).resume().unwrap();
    assert!(cluster.broker(2).is_ready().unwrap());
    let mut words: Vec<String> = consume(cluster.broker(1), "2").lines().map(str::to_owned).collect();
    words.sort();
    assert_eq!(words, ["one", "two"]);
}

#[test]
fn a_registry_starts_empty_and_ends_with_its_value() {
    if !starts_kafka() {
        return;
    }
    let registry = LocalRegistry::start().unwrap();
    let url = registry.url();
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/apis/ccompat/v7")).unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET /apis/ccompat/v7/subjects HTTP/1.0\r\n\r\n").unwrap();
    let answer = io::read_to_string(connection).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\n[]"), "{answer}");
    drop(registry);
    assert!(TcpStream::connect(address).is_err(), "a registry that ended listens at {address}");
}

#[test]
fn what_fails_says_why() {
    if !starts_kafka() {
        return;
    }
    let mut kafka = LocalKafka::start().unwrap();
    let error = kafka.tool(TOPICS, &["--describe", "--topic", "missing"]).unwrap_err();
    assert!(matches!(error, LocalKafkaError::ToolFailed { .. }), "{error}");
    assert!(error.to_string().contains("Topic 'missing' does not exist"), "{error}");

    kafka.stop().unwrap();
    let other = TcpListener::bind(kafka.bootstrap_servers()).unwrap();
    let error = kafka.restart().unwrap_err();
    assert!(matches!(error, LocalKafkaError::EndedAtStart { .. }), "{error}");
    assert!(error.to_string().contains("Address already in use"), "{error}");
    drop(other);
    kafka.restart().unwrap();
}

#[test]
fn kafka_ends_with_a_process_that_is_killed() {
    if std::env::var_os(DOOMED).is_some() {
        println!("\nstarted {:?}", test_broker());
        thread::sleep(Duration::from_secs(120));
        return;
    }
    if !starts_kafka() {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let mut doomed = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::kafka_ends_with_a_process_that_is_killed", "--nocapture"])
        .env(DOOMED, "1")
        .env("MILLSTREAM_TEST_BROKER", "kafka")
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(doomed.stdout.take().unwrap()).lines().map(Result::unwrap);
    let started = lines.find(|line| line.starts_with("started ")).unwrap();
    let address = started.split('"').nth(1).unwrap();
    assert_eq!(started, format!("started {:?}", TestBroker::Kafka(address.to_owned())));
    TcpStream::connect(address).unwrap();
    let folder = fs::read_dir(&temporary).unwrap().next().unwrap().unwrap().path();

    doomed.kill().unwrap();
    doomed.wait().unwrap();
    wait_until_gone(address, &folder);
}

#[test]
fn the_variable_names_the_brokers() {
    assert_eq!(choice(None).unwrap(), Choice::All);
    assert_eq!(choice(Some("embedded")).unwrap(), Choice::Embedded);
    assert_eq!(choice(Some("kafka")).unwrap(), Choice::Kafka);
    assert_eq!(choice(Some("broker.test:9092")).unwrap(), Choice::Address("broker.test:9092".to_owned()));
    for wrong in ["", "Kafka", "broker.test", "broker.test:", ":9092", "broker.test:0", "broker.test:65536"] {
        let message = choice(Some(wrong)).unwrap_err().to_string();
        let expected = format!(
            "MILLSTREAM_TEST_BROKER is {wrong:?}; right are `embedded`, `kafka` (one is started), a Kafka's `host:port`, or unset"
        );
        assert_eq!(message, expected);
    }
}

#[test]
fn java_versions_are_read_in_their_old_and_new_forms() {
    assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment"), Some(17));
    assert_eq!(major_version("openjdk version \"25-ea\" 2025-09-16"), Some(25));
    assert_eq!(major_version("openjdk version \"21\" 2023-09-19"), Some(21));
    assert_eq!(major_version("java version \"1.8.0_402\""), Some(8));
    assert_eq!(major_version("Error: could not open `/opt/java/lib/jvm.cfg'"), None);
}

/// What stands for a Maven that puts one file where the jars should be.
const MAVEN: &str = "echo jar > a.jar; echo asked >> ../asked";

#[test]
fn kafka_is_fetched_once_and_an_interrupted_fetch_is_not_taken_for_a_whole_one() {
    let target = tempfile::tempdir().unwrap();
    let folder = target.path().join("kafka-4.3.1");
    let install = |maven: &[&str]| {
        let mut news = Vec::new();
        let result = install_in(&folder, POM, COPY, maven, &mut news);
        (result, String::from_utf8(news).unwrap())
    };

    let missing = install(&["no-such-maven"]).0.unwrap_err();
    assert!(matches!(missing, LocalKafkaError::MavenMissing { .. }), "{missing}");
    let failed = install(&["sh", "-c", &format!("{MAVEN}; echo no answer; exit 1")]).0.unwrap_err().to_string();
    assert!(failed.contains("exit status: 1") && failed.ends_with("no answer"), "{failed}");
    assert!(!folder.exists());

    let news: String = thread::scope(|scope| {
        let installs: Vec<_> = (0..4).map(|_| scope.spawn(|| install(&["sh", "-c", MAVEN]))).collect();
        let done = installs.into_iter().map(|install| install.join().unwrap());
        done.map(|(result, news)| (result.unwrap(), news))
            .inspect(|(at, _)| assert_eq!(*at, folder))
            .map(|(_, news)| news)
            .collect()
    });
    assert!(folder.join("a.jar").exists());
    assert_eq!(news.lines().count(), 1, "{news}");
    let asked = fs::read_to_string(target.path().join("asked")).unwrap();
    assert_eq!(asked.lines().count(), 2, "once by the fetch that failed, once by the first of four");

    fs::write(folder.join("pom.xml"), "the list of another version").unwrap();
    let (result, news) = install(&["sh", "-c", "echo jar > b.jar"]);
    assert_eq!(result.unwrap(), folder);
    assert_eq!(news.lines().count(), 1, "{news}");
    assert!(folder.join("b.jar").exists() && !folder.join("a.jar").exists());
}
