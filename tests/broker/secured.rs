//! A Kafka that lets in only who shows credentials, over TLS, and that gives rights by ACLs.

mod mechanisms;
mod refused;
mod rights;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{Placed, RecordWriter, read_all};
use millstream::prelude::*;
use millstream::topology::Define;
use millstream_kafka::{KafkaBroker, KafkaSettings};
use millstream_local_kafka::{LocalKafka, Secured, TestBroker, test_brokers};
use millstream_tests::running::until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tempfile::TempDir;

/// A user who is given every right on what its tests make, and one who gets rights one by one.
const USERS: [(&str, &str); 2] = [("app", "app-secret"), ("poor", "poor-secret")];

struct Secure {
    kafka: LocalKafka,
    folder: TempDir,
}

/// The one Kafka of these tests; none where no Kafka is to run. It ends with the process.
fn secure() -> Option<&'static Secure> {
    static SECURE: OnceLock<Option<Secure>> = OnceLock::new();
    let start = || {
        if !test_brokers().iter().any(|broker| matches!(broker, TestBroker::Kafka(_))) {
            println!("secured: not run, as only the embedded broker is here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let users = USERS.map(|(name, password)| (name.to_owned(), password.to_owned())).into();
        let authority = authority("trusted");
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("other-ca.pem"), self::authority("other").pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let key_and_certificate = format!("{}{}", key.serialize_pem(), certificate.pem());
        let kafka = LocalKafka::start_secured(Secured { key_and_certificate, users }).unwrap();
        Some(Secure { kafka, folder })
    };
    SECURE.get_or_init(start).as_ref()
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Secure {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client that only lacks its mechanism.
    fn settings(&self, group: &str) -> KafkaSettings {
        let mut settings = KafkaSettings::new(self.kafka.secured_bootstrap_servers().unwrap(), group);
        let ca = self.file("ca.pem");
        let properties = [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", ca.to_str().unwrap()),
            ("broker.address.family", "v4"),
        ];
        settings.properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        settings
    }

    /// A client with a user's name and password.
    fn as_user(&self, group: &str, mechanism: &str, user: &str, password: &str) -> KafkaSettings {
        let mut settings = self.settings(group);
        for (name, value) in [("sasl.mechanism", mechanism), ("sasl.username", user), ("sasl.password", password)] {
            settings.properties.insert(name.to_owned(), value.to_owned());
        }
        settings
    }

    /// One who may do everything.
    fn administrator(&self) -> KafkaBroker {
        KafkaBroker::new(KafkaSettings::new(self.kafka.bootstrap_servers(), "administrator")).unwrap()
    }

    /// Gives a user rights on all of these resources whose names begin so.
    fn grant(&self, user: &str, operations: &[&str], resources: &[&str], prefix: &str) {
        let principal = format!("User:{user}");
        let mut arguments = vec!["--add", "--allow-principal", &principal, "--resource-pattern-type", "prefixed"];
        for resource in resources {
            arguments.extend([resource, prefix]);
        }
        for operation in operations {
            arguments.extend(["--operation", operation]);
        }
        self.kafka.tool("org.apache.kafka.tools.AclCommand", &arguments).unwrap();
    }

    /// Creates the topics of [`words`], and writes to the first.
    fn prepare(&self, id: &str, records: usize) {
        let broker = self.administrator();
        let topic = |name: &str| NewTopic {
            name: format!("{id}-{name}"),
            partitions: 2,
            replication_factor: None,
            cleanup_policy: CleanupPolicy::Delete,
            // The records are of 1970.
            config: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        };
        broker.create(&[topic("in"), topic("out")]).unwrap();
        self.write(id, records);
    }

    fn write(&self, id: &str, records: usize) {
        let broker = self.administrator();
        let mut writer = RecordWriter::new(&broker).unwrap();
        for number in 0..records {
            writer.send(&input(id), &Record::new(format!("key {}", number % 10), Some(number as i64), 1)).unwrap();
        }
        writer.flush().unwrap();
    }

    /// Waits until so many records were counted.
    fn await_counted(&self, id: &str, records: usize) {
        let broker = self.administrator();
        until("the counts", || {
            let mut last = BTreeMap::new();
            for Placed { record, .. } in read_all(&broker, &output(id), Duration::from_secs(10))? {
                last.insert(record.key, record.value.unwrap_or_default());
            }
            let counted: i64 = last.values().sum();
            assert!(counted <= records as i64, "{counted} of {records} were counted");
            Ok(counted == records as i64)
        })
        .unwrap();
    }
}

fn input(id: &str) -> Topic<String, i64> {
    Topic::new(format!("{id}-in"), Utf8, Be64)
}

fn output(id: &str) -> Topic<String, i64> {
    Topic::new(format!("{id}-out"), Utf8, Be64)
}

/// Counts by key behind a repartition topic: so clients of every kind are used.
fn words(id: &str) -> Define {
    let id = id.to_owned();
    Arc::new(move |b| {
        b.stream(&input(&id))
            .group_by(Topic::new("again", Utf8, Be64), |key, _| key.clone())
            .count(Store::new("counts", Utf8, Be64))
            .to_stream()
            .to(&output(&id));
    })
}

/// A token that nobody has signed, as this Kafka takes them.
fn token(user: &str, life_ms: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let payload = json!({ "sub": user, "iat": now as f64 / 1000.0, "exp": (now + life_ms) as f64 / 1000.0 });
    format!("{}.{}.", base64url(br#"{"alg":"none"}"#), base64url(payload.to_string().as_bytes()))
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let encode = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len())
            .map(move |index| LETTERS[(bits >> (18 - 6 * index)) as usize & 63] as char)
            .collect::<String>()
    };
    bytes.chunks(3).map(encode).collect()
}
