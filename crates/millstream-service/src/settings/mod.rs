//! Settings: defaults, then a YAML file, then environment variables, then flags; each layer overrides those before.
//!
//! Every value keeps where it was found, so that an error names the file and line, the variable or the flag.

mod check;
mod errors;
mod file;
mod formats;
mod keys;
mod layers;
mod print;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use millstream::worker::{Guarantee, OffsetReset, Options};
use millstream_kafka::{GroupProtocol, KafkaSettings};
use serde::{Deserialize, Serialize};

use errors::ErrorSettings;
pub(crate) use layers::Sources;
use secrets::Secrets;

/// Settings that are not valid: a line for each thing that is wrong, with where it is and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct SettingsError(pub Vec<String>);

/// All settings of a process; `config/reference.yaml` says what each is for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) application_id: String,
    pub(crate) instance_id: String,
    pub(crate) bootstrap_servers: Option<String>,
    pub(crate) workers: usize,
    #[serde(with = "GuaranteeWords")]
    pub(crate) guarantee: Guarantee,
    pub(crate) commit_interval_ms: i64,
    #[serde(with = "OffsetResetWords")]
    pub(crate) offset_reset: OffsetReset,
    pub(crate) max_task_idle_ms: i64,
    pub(crate) idle_timeout_ms: i64,
    pub(crate) watermark_interval_ms: i64,
    pub(crate) buffered_records_per_partition: usize,
    pub(crate) replication_factor: Option<i32>,
    pub(crate) repartition_purge_interval_ms: i64,
    pub(crate) parked_ms: i64,
    pub(crate) standby_replicas: usize,
    pub(crate) rack: Option<String>,
    pub(crate) warmup_timeout_ms: i64,
    pub(crate) acceptable_recovery_lag: u64,
    pub(crate) errors: ErrorSettings,
    pub(crate) memory_limit: Option<String>,
    pub(crate) memory_limit_grace_ms: u64,
    pub(crate) broker_wait_ms: u64,
    pub(crate) broker_lost_timeout_ms: i64,
    pub(crate) stuck_after_ms: i64,
    pub(crate) shutdown_timeout_ms: u64,
    pub(crate) http: HttpSettings,
    pub(crate) log: LogSettings,
    pub(crate) kafka: KafkaClients,
    pub(crate) registry: RegistrySection,
    pub(crate) formats: FormatsSection,
    /// What must not be shown.
    #[serde(skip)]
    pub(crate) secrets: Secrets,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpSettings {
    pub(crate) enabled: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) advertised: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) tls: HttpTls,
}

/// Paths of PEM files.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
}

/// The files that a TLS server needs.
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

impl HttpTls {
    /// The files, if HTTP is to be served over TLS.
    pub(crate) fn files(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.certificate.clone()?, self.key.clone()?);
        Some(TlsFiles { certificate, key, client_ca: self.client_ca.clone() })
    }
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSettings {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Properties of librdkafka, for all clients and for each kind of client.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaClients {
    #[serde(with = "GroupProtocolWords")]
    pub(crate) group_protocol: GroupProtocol,
    pub(crate) oauthbearer: OauthBearer,
    pub(crate) static_membership: bool,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) consumer: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) producer: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) restore: BTreeMap<String, String>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OauthBearer {
    pub(crate) token_file: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrySection {
    pub(crate) url: Option<String>,
    pub(crate) auto_register: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) timeout_ms: u64,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormatsSection {
    pub(crate) default: String,
    /// By the names of topics and stores.
    #[serde(default)]
    pub(crate) values: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Guarantee", rename_all = "snake_case")]
enum GuaranteeWords {
    ExactlyOnce,
    AtLeastOnce,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "OffsetReset", rename_all = "snake_case")]
enum OffsetResetWords {
    Earliest,
    Latest,
    Error,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "GroupProtocol", rename_all = "snake_case")]
enum GroupProtocolWords {
    Classic,
    Consumer,
}

impl Settings {
    /// The defaults of a service: the engine's own, where it has them.
    pub(crate) fn defaults(service: &str) -> Self {
        let options = Options::new(service, host_name());
        Settings {
            application_id: options.application_id,
            instance_id: options.instance_id,
            bootstrap_servers: None,
            workers: options.workers,
            guarantee: options.guarantee,
            commit_interval_ms: options.commit_interval_ms,
            offset_reset: options.offset_reset,
            max_task_idle_ms: options.max_task_idle_ms,
            idle_timeout_ms: options.idle_timeout_ms,
            watermark_interval_ms: options.watermark_interval_ms,
            buffered_records_per_partition: options.buffered_records_per_partition,
            replication_factor: options.replication_factor,
            repartition_purge_interval_ms: options.repartition_purge_interval_ms,
            parked_ms: options.parked_ms,
            standby_replicas: options.standby_replicas,
            rack: options.rack,
            warmup_timeout_ms: options.warmup_timeout_ms,
            acceptable_recovery_lag: options.acceptable_recovery_lag,
            errors: options.errors.into(),
            memory_limit: None,
            memory_limit_grace_ms: 10_000,
            broker_wait_ms: 60_000,
            broker_lost_timeout_ms: options.broker_lost_timeout_ms,
            stuck_after_ms: 30_000,
            // Beside it, what a process does before and after must fit into 5 s.
            shutdown_timeout_ms: 4_500,
            http: HttpSettings {
                enabled: true,
                host: "127.0.0.1".to_owned(),
                port: 8080,
                advertised: None,
                token: None,
                tls: HttpTls::default(),
            },
            log: LogSettings { level: "info".to_owned(), format: LogFormat::Text },
            kafka: KafkaClients {
                group_protocol: GroupProtocol::Classic,
                oauthbearer: OauthBearer::default(),
                static_membership: options.static_membership,
                properties: BTreeMap::new(),
                consumer: BTreeMap::new(),
                producer: BTreeMap::new(),
                restore: BTreeMap::new(),
            },
            registry: RegistrySection {
                url: None,
                auto_register: true,
                user: None,
                password: None,
                token: None,
                ca: None,
                timeout_ms: 5_000,
            },
            formats: FormatsSection { default: "json".to_owned(), values: BTreeMap::new() },
            secrets: Secrets::default(),
        }
    }

    /// How the engine is to run.
    pub(crate) fn options(&self) -> Options {
        Options {
            application_id: self.application_id.clone(),
            instance_id: self.instance_id.clone(),
            workers: self.workers,
            guarantee: self.guarantee,
            commit_interval_ms: self.commit_interval_ms,
            offset_reset: self.offset_reset,
            from: None,
            until: None,
            max_task_idle_ms: self.max_task_idle_ms,
            idle_timeout_ms: self.idle_timeout_ms,
            watermark_interval_ms: self.watermark_interval_ms,
            buffered_records_per_partition: self.buffered_records_per_partition,
            replication_factor: self.replication_factor,
            repartition_purge_interval_ms: self.repartition_purge_interval_ms,
            parked_ms: self.parked_ms,
            standby_replicas: self.standby_replicas,
            rack: self.rack.clone(),
            address: self.http.address(),
            warmup_timeout_ms: self.warmup_timeout_ms,
            acceptable_recovery_lag: self.acceptable_recovery_lag,
            static_membership: self.kafka.static_membership,
            errors: self.errors.clone().into(),
            broker_lost_timeout_ms: self.broker_lost_timeout_ms,
        }
    }

    /// How the cluster at `bootstrap_servers` is to be reached.
    pub(crate) fn kafka(&self, bootstrap_servers: &str) -> KafkaSettings {
        KafkaSettings {
            member_name: Some(self.instance_id.clone()),
            static_membership: self.kafka.static_membership,
            group_protocol: self.kafka.group_protocol,
            offset_reset: match self.offset_reset {
                OffsetReset::Earliest => millstream_kafka::OffsetReset::Earliest,
                OffsetReset::Latest => millstream_kafka::OffsetReset::Latest,
                OffsetReset::Error => millstream_kafka::OffsetReset::Error,
            },
            oauthbearer_token_file: self.kafka.oauthbearer.token_file.clone(),
            properties: self.kafka.properties.clone(),
            consumer_properties: self.kafka.consumer.clone(),
            producer_properties: self.kafka.producer.clone(),
            restore_properties: self.kafka.restore.clone(),
            ..KafkaSettings::new(bootstrap_servers, &self.application_id)
        }
    }
}

impl HttpSettings {
    /// Where other instances reach this one.
    fn address(&self) -> Option<String> {
        let advertised = self.advertised.as_ref().filter(|_| self.enabled)?;
        let scheme = if self.tls.files().is_some() { "https" } else { "http" };
        Some(if advertised.contains("://") { advertised.clone() } else { format!("{scheme}://{advertised}") })
    }
}

/// The machine's name; in a container, the container's.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
