//! One Kafka and one schema registry for the whole suite.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, ensure};
use millstream::broker::{Broker, CleanupPolicy, NewTopic};
use millstream::client::{RecordWriter, read_all};
use millstream::prelude::*;
use millstream_formats::registry::{Registry, RegistrySettings};
use millstream_kafka::{GroupProtocol, KafkaBroker};
use millstream_local_kafka::{TestBroker, test_broker, test_registry};
use millstream_tests::cluster::{settings, unique};
use millstream_tests::running::HANG;
use serde_json::{Value, json};

use crate::program::Clients;

pub(crate) struct Services {
    pub(crate) kafka: String,
    pub(crate) registry_url: String,
    pub(crate) broker: Arc<dyn Broker>,
}

/// The services; `None`, and a line on standard error, where they are not to run.
pub(crate) fn services() -> Option<&'static Services> {
    static SERVICES: OnceLock<Option<Services>> = OnceLock::new();
    let start = || {
        let (TestBroker::Kafka(kafka), Some(registry_url)) = (test_broker(), test_registry()) else { return None };
        let settings = settings(&kafka, GroupProtocol::Classic, &unique("formats"));
        let broker: Arc<dyn Broker> = Arc::new(KafkaBroker::new(settings).unwrap());
        Some(Services { kafka, registry_url, broker })
    };
    SERVICES.get_or_init(start).as_ref()
}

impl Services {
    /// A client of the registry that knows nothing yet.
    pub(crate) fn registry(&self) -> Registry {
        Registry::new(&RegistrySettings::new(&self.registry_url)).unwrap()
    }

    /// A new topic with one partition; its name.
    pub(crate) fn topic(&self, what: &str) -> Result<String> {
        let name = unique(what);
        // Records have a time long ago.
        let config = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        let cleanup_policy = CleanupPolicy::Delete;
        self.broker.create(&[NewTopic {
            name: name.clone(),
            partitions: 1,
            replication_factor: None,
            cleanup_policy,
            config,
        }])?;
        Ok(name)
    }

    pub(crate) fn write<V: Clone + 'static>(&self, topic: &str, serde: impl Serde<V>, values: &[V]) -> Result<()> {
        let mut writer = RecordWriter::new(&*self.broker)?;
        let topic = Topic::new(topic, Utf8, serde);
        for (number, value) in values.iter().enumerate() {
            writer.send(&topic, &Record::new(number.to_string(), Some(value.clone()), 1_767_225_600_000))?;
        }
        Ok(writer.flush()?)
    }

    /// All values of a topic, in their order.
    pub(crate) fn read<V: Clone + 'static>(&self, topic: &str, serde: impl Serde<V>) -> Result<Vec<V>> {
        let records = read_all(&*self.broker, &Topic::new(topic, Utf8, serde), HANG)?;
        records.into_iter().map(|placed| placed.record.value.context("a null value")).collect()
    }

    /// Values of a topic, written by others' clients. `job` says their format.
    pub(crate) fn foreign_writes(
        &self,
        clients: &dyn Clients,
        topic: &str,
        job: &Value,
        values: &[Value],
    ) -> Result<()> {
        self.foreign(clients, topic, job, json!({"do": "write", "values": values})).map(|_| ())
    }

    /// The first values of a topic, read by others' clients.
    pub(crate) fn foreign_reads(
        &self,
        clients: &dyn Clients,
        topic: &str,
        job: &Value,
        count: usize,
    ) -> Result<Vec<Value>> {
        Ok(serde_json::from_value(self.foreign(clients, topic, job, json!({"do": "read", "count": count}))?)?)
    }

    fn foreign(&self, clients: &dyn Clients, topic: &str, job: &Value, task: Value) -> Result<Value> {
        let mut whole = json!({"kafka": self.kafka, "registry": self.registry_url, "topic": topic});
        for (name, value) in [job, &task].into_iter().filter_map(Value::as_object).flatten() {
            whole[name] = value.clone();
        }
        clients.work(&whole)
    }

    /// Sets a subject's rule of compatibility, which a client of records has no call for.
    pub(crate) fn set_compatibility(&self, subject: &str, level: &str) -> Result<()> {
        let (host, path) = self.registry_url.trim_start_matches("http://").split_once('/').context("a URL")?;
        let body = json!({"compatibility": level}).to_string();
        let mut connection = TcpStream::connect(host)?;
        write!(
            connection,
            "PUT /{path}/config/{subject} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        Ok(())
    }
}
