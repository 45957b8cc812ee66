use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use super::keys::{KEYS, Kind};
use millstream::worker::{ErrorPolicies, ErrorPolicy, RecordRetry};

use super::*;

const REFERENCE: &str = include_str!("../../../../config/reference.yaml");

/// The service `app` with this YAML built in, these variables, and these `--set`.
fn sources(yaml: &'static str, variables: &[(&str, &str)], set: &[&str]) -> Sources {
    Sources {
        service: "app".to_owned(),
        built_in: Some(yaml),
        environment: variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
        set: set.iter().map(|text| text.to_string()).collect(),
        ..Sources::default()
    }
}

fn load(yaml: &'static str, variables: &[(&str, &str)], set: &[&str]) -> Settings {
    sources(yaml, variables, set).load().unwrap()
}

fn refused(yaml: &'static str, variables: &[(&str, &str)], set: &[&str]) -> Vec<String> {
    sources(yaml, variables, set).load().unwrap_err().0
}

#[test]
fn the_reference_has_every_default() {
    assert!(load(REFERENCE, &[], &[]) == Settings::defaults("app"), "{:?}", load(REFERENCE, &[], &[]));
    let reference: serde_json::Value = serde_saphyr::from_str(REFERENCE).unwrap();
    for (key, _) in KEYS {
        let path = format!("/{}", key.replace('.', "/"));
        assert!(reference.pointer(&path).is_some(), "config/reference.yaml lacks {key}");
    }
}

#[test]
fn the_keys_are_those_of_the_settings() {
    fn leaves(section: &str, value: &serde_json::Value, into: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().unwrap() {
            let path = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            match value.is_object() && super::keys::kind_of(&path).is_none() {
                true => leaves(&path, value, into),
                false => {
                    into.insert(path);
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    leaves("", &serde_json::to_value(Settings::defaults("app")).unwrap(), &mut found);
    assert_eq!(found, KEYS.iter().map(|(key, _)| key.to_string()).collect());
}

#[test]
fn every_word_of_a_choice_is_a_value() {
    for (key, kind) in KEYS {
        if let Kind::Choice(words) = kind {
            for word in *words {
                // Some words need it.
                let settings = load("", &[], &[&format!("{key}={word}"), "registry.url=http://r:1"]);
                let path = format!("/{}", key.replace('.', "/"));
                assert_eq!(serde_json::to_value(&settings).unwrap().pointer(&path).unwrap(), word);
            }
        }
    }
}

#[test]
fn later_layers_win() {
    let yaml = "application_id: orders\nworkers: 2\nhttp:\n  host: 0.0.0.0\n  port: 1111\nlog: {level: warn}\n";
    let variables = [
        ("MILLSTREAM_HTTP__PORT", "2222"),
        ("MILLSTREAM_WORKERS", "3"),
        ("OTHER", "x"),
        ("MILLSTREAM_TEST_BROKER", "kafka"),
    ];
    let settings = load(yaml, &variables, &["http.port=3333"]);
    assert_eq!((settings.application_id.as_str(), settings.workers), ("orders", 3));
    assert_eq!((settings.http.host.as_str(), settings.http.port), ("0.0.0.0", 3333));
    assert_eq!((settings.log.level.as_str(), settings.commit_interval_ms), ("warn", 100));

    let with_flag = Sources {
        bootstrap_servers: Some("c:3".to_owned()),
        ..sources("bootstrap_servers: a:1\n", &[("MILLSTREAM_BOOTSTRAP_SERVERS", "b:2")], &[])
    };
    assert_eq!(with_flag.load().unwrap().bootstrap_servers.unwrap(), "c:3");
}

#[test]
fn a_file_takes_the_place_of_what_is_built_in() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "workers: 4\nwrokers: 5\n").unwrap();
    let built_in = "workers: 2\ncommit_interval_ms: 7\n";
    let with_file = Sources { file: Some(file.path().to_owned()), ..sources(built_in, &[], &[]) };
    let error = with_file.load().unwrap_err().to_string();
    assert!(
        error.starts_with(&format!(
            "{}:2:10: wrokers: unknown key; did you mean `workers`? Accepted at the top: app",
            file.path().display()
        )),
        "{error}"
    );
    std::fs::write(file.path(), "workers: 4\n").unwrap();
    let settings = with_file.load().unwrap();
    assert_eq!((settings.workers, settings.commit_interval_ms), (4, 100));

    let missing = Sources { file: Some(PathBuf::from("/no/such.yaml")), ..Sources::default() };
    assert_eq!(
        missing.load().unwrap_err().to_string(),
        "/no/such.yaml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn what_is_empty_is_left_to_the_layer_below() {
    let yaml = "workers: 2\nhttp:\nlog:\n  level: null\n";
    let settings = load(yaml, &[("MILLSTREAM_WORKERS", ""), ("MILLSTREAM_INSTANCE_ID", "")], &[]);
    assert_eq!((settings.workers, settings.http.port, settings.log.level.as_str()), (2, 8080, "info"));
    assert!(load("", &[], &[]) == Settings::defaults("app"));
}

#[test]
fn numbers_and_flags_may_be_text() {
    let settings = load("workers: '2'\nhttp: {port: \"81\", enabled: 'false'}\napplication_id: 42\n", &[], &[]);
    assert_eq!((settings.workers, settings.http.port, settings.http.enabled), (2, 81, false));
    assert_eq!(settings.application_id, "42");
    assert_eq!(load("instance_id: 007\n", &[], &[]).instance_id, "007");
}

#[test]
fn every_error_is_told_with_its_place() {
    let yaml = "workers: 0\nguarantee: exactly_twice\nhttp:\n  prot: 80\nlog: [a]\nkafka:\n  properties: none\n";
    let variables = [("MILLSTREAM_HTTP__PORT", "http"), ("MILLSTREAM_HTTP__HOSTS", "h"), ("MILLSTREAM_KAFKA", "k")];
    let set = ["log.level=inof", "workers.x=1", "http.enabled=yes", "application_id=", "nothing", "commit_interval=1"];
    assert_eq!(
        refused(yaml, &variables, &set),
        [
            "--set nothing: found no `=`; accepted: KEY=VALUE",
            "app (built in):4:9: http.prot: unknown key; did you mean `port`? Accepted in http: enabled, host, port, advertised, token, tls",
            "app (built in):7:15: kafka.properties: found a single value; accepted: a section of `property: value` lines",
            "app (built in):5:6: log: found a list; accepted: a section with level, format",
            "MILLSTREAM_HTTP__HOSTS: http.hosts: unknown key; did you mean `host`? Accepted in http: enabled, host, port, advertised, token, tls",
            "MILLSTREAM_KAFKA: kafka: found a single value; accepted: a section with group_protocol, oauthbearer, static_membership, properties, consumer, \
             producer, restore",
            "--set commit_interval: commit_interval: unknown key; did you mean `commit_interval_ms`? Accepted at the top: \
             application_id, instance_id, bootstrap_servers, workers, guarantee, commit_interval_ms, offset_reset, \
             max_task_idle_ms, idle_timeout_ms, watermark_interval_ms, buffered_records_per_partition, replication_factor, repartition_purge_interval_ms, \
             parked_ms, standby_replicas, rack, warmup_timeout_ms, acceptable_recovery_lag, errors, memory_limit, memory_limit_grace_ms, broker_wait_ms, broker_lost_timeout_ms, stuck_after_ms, shutdown_timeout_ms, http, log, kafka, registry, formats",
            "--set workers.x: workers: found a section; accepted: a whole number from 1 to 1024",
            "--set application_id: application_id: found an empty text; accepted: a text",
            "app (built in):2:12: guarantee: found `exactly_twice`; accepted: exactly_once, at_least_once",
            "--set http.enabled: http.enabled: found `yes`; accepted: true, false",
            "MILLSTREAM_HTTP__PORT: http.port: found `http`; accepted: a whole number from 0 to 65535",
            "--set log.level: log.level: found `inof`; accepted: error, warn, info, debug, trace, off; for modules whose \
             names begin so: info,millstream=debug",
            "app (built in):1:10: workers: found `0`; accepted: a whole number from 1 to 1024",
        ]
    );
}

#[test]
fn yaml_that_is_none_is_told_without_its_text() {
    let errors = refused("kafka:\n  properties:\n    sasl.password: hunter2\n   x: [\n", &[], &[]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("app (built in):4:"), "{errors:?}");
    assert!(errors[0].contains(": not valid YAML: ") && !errors[0].contains("hunter2"), "{errors:?}");
    let errors = refused("workers: 1\nworkers: 2\n", &[], &[]);
    assert!(
        errors[0].starts_with("app (built in):2:1: not valid YAML: ") && errors[0].contains("workers"),
        "{errors:?}"
    );
    assert_eq!(
        refused("just a text\n", &[], &[]),
        ["app (built in):1:1: found no keys; accepted: a document of `key: value` lines"]
    );
}

#[test]
fn keys_with_dots_are_told_how_to_be_written() {
    let errors = refused("http.port: 1\n", &[], &[]);
    assert!(
        errors[0].starts_with("app (built in):1:12: http.port: unknown key. Write it as a section with a key in it."),
        "{errors:?}"
    );
}

#[test]
fn names_of_properties_keep_their_dots() {
    let yaml = "kafka:\n  properties:\n    security.protocol: SASL_SSL\n    socket.keepalive.enable: true\n  \
                consumer: {session.timeout.ms: 9000}\n";
    let variables =
        [("MILLSTREAM_KAFKA__PROPERTIES__SASL_USERNAME", "u"), ("MILLSTREAM_KAFKA__PRODUCER__LINGER_MS", "7")];
    let set = ["kafka.properties.security.protocol=SSL", "kafka.restore.fetch.min.bytes=1"];
    let kafka = load(yaml, &variables, &set).kafka("b:1");
    let expected = [("sasl.username", "u"), ("security.protocol", "SSL"), ("socket.keepalive.enable", "true")];
    assert_eq!(kafka.properties, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(kafka.consumer_properties["session.timeout.ms"], "9000");
    assert_eq!(kafka.producer_properties["linger.ms"], "7");
    assert_eq!(kafka.restore_properties["fetch.min.bytes"], "1");
    assert_eq!((kafka.bootstrap_servers.as_str(), kafka.group_id.as_str()), ("b:1", "app"));

    assert_eq!(
        refused("kafka:\n  properties:\n    sasl:\n      username: u\n", &[], &[]),
        [
            "app (built in):3:5: kafka.properties.sasl: found a section; accepted: a single value, with the property's name \
          and its dots as the key"
        ]
    );
}

#[test]
fn references_are_resolved_after_the_layers_are_merged() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from-file\n").unwrap();
    let yaml = "instance_id: ${env:NOT_SET_BUT_OVERRIDDEN}\nhttp: {port: '${env:PORT}'}\n\
                kafka: {properties: {sasl.username: 'a-${env:NAME}-$${x}', client.id: '${env:NAME}${env:NAME}'}}\n";
    let set =
        [format!("kafka.properties.sasl.password=${{file:{}}}", file.path().display()), "instance_id=i".to_owned()];
    let settings = load(yaml, &[("PORT", "99"), ("NAME", "n$${")], &[&set[0], &set[1]]);
    assert_eq!((settings.instance_id.as_str(), settings.http.port), ("i", 99));
    // What a reference resolves to is not looked into again.
    assert_eq!(settings.kafka.properties["sasl.username"], "a-n$${-${x}");
    assert_eq!(settings.kafka.properties["client.id"], "n$${n$${");
    assert_eq!(settings.kafka.properties["sasl.password"], "from-file");
}

#[test]
fn a_reference_that_leads_nowhere_names_its_key() {
    let yaml = "application_id: ${env:NOWHERE}\ninstance_id: ${vault:x}\nkafka:\n  properties:\n    \
                sasl.password: ${file:/no/such}\n    sasl.username: ${env:X\nhttp: {port: '${env:PORT}'}\n";
    assert_eq!(
        refused(yaml, &[("PORT", "hunter2")], &[]),
        [
            "app (built in):1:17: application_id: ${env:NOWHERE}: the environment variable NOWHERE is not set; set it, as UTF-8",
            "app (built in):7:14: http.port: found `${env:PORT}`; accepted: a whole number from 0 to 65535",
            "app (built in):2:14: instance_id: found `${vault:x}`; accepted: ${env:NAME}, ${file:PATH}, and $${ for a literal ${",
            "app (built in):5:20: kafka.properties.sasl.password: ${file:/no/such}: the file /no/such cannot be read: No such \
             file or directory (os error 2)",
            "app (built in):6:20: kafka.properties.sasl.username: found `${` without `}`; accepted: ${env:NAME}, ${file:PATH}, \
             and $${ for a literal ${",
        ]
    );
}

#[test]
fn secrets_are_never_shown() {
    let yaml = "bootstrap_servers: b:1\nhttp: {port: '${env:PORT}', token: literal-six, tls: {certificate: c.pem, key: key.pem}}\n\
                kafka:\n  oauthbearer: {token_file: token.jwt}\n  properties:\n    sasl.username: me\n    \
                sasl.password: literal-one\n    ssl.key.pem: literal-two\n    client.id: ${env:CLIENT}\n";
    let variables = [
        ("PORT", "4711"),
        ("CLIENT", "client-three"),
        ("MILLSTREAM_KAFKA__PRODUCER__SASL_OAUTHBEARER_CLIENT_SECRET", "literal-four"),
        ("MILLSTREAM_INSTANCE_ID", "instance-1"),
    ];
    let settings = load(yaml, &variables, &["kafka.consumer.x.token=literal-five"]);
    let expected = r#"application_id: app
instance_id: instance-1
bootstrap_servers: b:1
workers: 1
guarantee: exactly_once
commit_interval_ms: 100
offset_reset: earliest
max_task_idle_ms: 0
idle_timeout_ms: 30000
watermark_interval_ms: 200
buffered_records_per_partition: 1000
replication_factor: null
repartition_purge_interval_ms: 30000
parked_ms: 600000
standby_replicas: 0
rack: null
warmup_timeout_ms: 300000
acceptable_recovery_lag: 10000
errors:
  read: fail
  process: fail
  write: fail
  retry:
    attempts: 1
    backoff_ms: 1000
  dead_letter_topic: null
memory_limit: null
memory_limit_grace_ms: 10000
broker_wait_ms: 60000
broker_lost_timeout_ms: 0
stuck_after_ms: 30000
shutdown_timeout_ms: 4500
http:
  enabled: true
  host: "127.0.0.1"
  port: "***"
  advertised: null
  token: "***"
  tls:
    certificate: c.pem
    key: key.pem
    client_ca: null
log:
  level: info
  format: text
kafka:
  group_protocol: classic
  oauthbearer:
    token_file: token.jwt
  static_membership: false
  properties:
    client.id: "***"
    sasl.password: "***"
    sasl.username: me
    ssl.key.pem: "***"
  consumer:
    x.token: "***"
  producer:
    sasl.oauthbearer.client.secret: "***"
  restore: {}
registry:
  url: null
  auto_register: true
  user: null
  password: null
  token: null
  ca: null
  timeout_ms: 5000
formats:
  default: json
  values: {}
"#;
    assert_eq!(settings.to_yaml().unwrap(), expected);
    assert_eq!(format!("{settings:?}"), expected);
    let message =
        "cannot start: client-three at 4711 with literal-one, literal-two, literal-four, literal-five, literal-six, me";
    assert_eq!(settings.secrets.hide(message), "cannot start: *** at *** with ***, ***, ***, ***, ***, me");
    // What is printed without secrets can be read again.
    let printed: &'static str = load("workers: 3\n", &[], &[]).to_yaml().unwrap().leak();
    assert!(load(printed, &[], &[]) == load("workers: 3\n", &[], &[]));
}

#[test]
fn a_commit_must_come_before_its_transaction_ends() {
    let settings = load("guarantee: at_least_once\ncommit_interval_ms: 20000\n", &[], &[]);
    assert_eq!(settings.commit_interval_ms, 20_000);
    assert_eq!(
        refused("commit_interval_ms: 10000\n", &[], &[]),
        [
            "commit_interval_ms: found 10000; accepted with guarantee exactly_once: less than the 10000 ms after which the \
          broker ends a transaction (kafka.producer: transaction.timeout.ms)"
        ]
    );
    load("commit_interval_ms: 10000\nkafka: {producer: {transaction.timeout.ms: 20000}}\n", &[], &[]);
}

#[test]
fn the_engine_gets_what_is_set() {
    let yaml = "application_id: a\ninstance_id: i\nworkers: 2\nguarantee: at_least_once\ncommit_interval_ms: 3\n\
                offset_reset: error\nmax_task_idle_ms: 4\nidle_timeout_ms: 8\nwatermark_interval_ms: 9\nbuffered_records_per_partition: 5\nreplication_factor: 6\n\
                repartition_purge_interval_ms: 7\nparked_ms: 8\nbroker_lost_timeout_ms: 10\nstandby_replicas: 1\nrack: r\n\
                warmup_timeout_ms: 10\nacceptable_recovery_lag: 11\nhttp: {advertised: h:12}\n\
                 errors: {read: skip, process: dead_letter, write: fail, retry: {attempts: 3, backoff_ms: 9}, dead_letter_topic: d}\n\
                kafka: {group_protocol: consumer, static_membership: true}\n";
    let settings = load(yaml, &[], &[]);
    let expected = Options {
        application_id: "a".to_owned(),
        instance_id: "i".to_owned(),
        workers: 2,
        guarantee: Guarantee::AtLeastOnce,
        commit_interval_ms: 3,
        offset_reset: OffsetReset::Error,
        from: None,
        until: None,
        max_task_idle_ms: 4,
        idle_timeout_ms: 8,
        watermark_interval_ms: 9,
        buffered_records_per_partition: 5,
        replication_factor: Some(6),
        repartition_purge_interval_ms: 7,
        parked_ms: 8,
        broker_lost_timeout_ms: 10,
        standby_replicas: 1,
        rack: Some("r".to_owned()),
        address: Some("http://h:12".to_owned()),
        warmup_timeout_ms: 10,
        acceptable_recovery_lag: 11,
        static_membership: true,
        errors: ErrorPolicies {
            read: ErrorPolicy::Skip,
            process: ErrorPolicy::DeadLetter,
            write: ErrorPolicy::Fail,
            retry: RecordRetry { attempts: 3, backoff_ms: 9 },
            dead_letter_topic: Some("d".to_owned()),
        },
    };
    assert_eq!(settings.options(), expected);
    let kafka = settings.kafka("b:1");
    assert_eq!(kafka.group_protocol, GroupProtocol::Consumer);
    assert_eq!((kafka.member_name.as_deref(), kafka.static_membership), (Some("i"), true));
    assert_eq!(kafka.offset_reset, millstream_kafka::OffsetReset::Error);
}

#[test]
fn a_certificate_needs_its_key() {
    for (yaml, expected) in [
        ("http: {tls: {certificate: c}}\n", "http.tls.key: not set; accepted with http.tls.certificate"),
        ("http: {tls: {key: k}}\n", "http.tls.certificate: not set; accepted with http.tls.key"),
        ("http: {tls: {client_ca: a}}\n", "http.tls.certificate: not set; accepted with http.tls.client_ca"),
    ] {
        assert_eq!(refused(yaml, &[], &[]), [format!("{expected}: the path of a PEM file")]);
    }
    load("http: {tls: {certificate: c, key: k, client_ca: a}}\n", &[], &[]);
}
