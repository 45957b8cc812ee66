use std::collections::BTreeMap;
use std::path::PathBuf;

use millstream::broker::{BrokerError, ErrorKind};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::context::now_ms;
use crate::oauth::Tokens;
use crate::rights::Rights;

/// How the group shares out its partitions. Both use Kafka's `range` assignor, which keeps partitions of the same
/// number together: joins need that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The protocol of all brokers: a rebalance takes everything away and gives it anew.
    Classic,
    /// `group.protocol=consumer` (KIP-848, Kafka 4.0 and later): only what moves is taken away.
    Consumer,
}

/// What a member of the group does when the position that it reads from is not on the broker any more
/// (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// Goes on with the oldest record there is.
    Earliest,
    /// Goes on with what is written from now on.
    Latest,
    /// Fails.
    Error,
}

/// How to reach a Kafka cluster. Properties have librdkafka's names and override this crate's defaults, except for
/// those that its correctness stands on: [`KafkaBroker::new`](crate::KafkaBroker::new) refuses these, with the reason.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// `bootstrap.servers`: `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group; also its readers outside of the group name themselves by it.
    pub group_id: String,
    /// What the group's assignor sorts its members by: the member's `client.id`, with which brokers begin the ids of members
    /// under the classic protocol, and its `group.instance.id` if it is static. `None`: the group's name, so in no order.
    pub member_name: Option<String>,
    /// Whether the group knows its member by that name, also after a restart (`group.instance.id`). Such a member does not
    /// say that it leaves: a restart within the session's timeout moves nothing.
    pub static_membership: bool,
    /// How the group shares out its partitions.
    pub group_protocol: GroupProtocol,
    /// What to do when a position to read from is gone.
    pub offset_reset: OffsetReset,
    /// The file with the token of SASL OAUTHBEARER, a JSON Web Token, which something outside of the process renews: it
    /// is read again whenever most of the token's life is over.
    pub oauthbearer_token_file: Option<PathBuf>,
    /// Properties of every client (security, `client.id`, …).
    pub properties: BTreeMap<String, String>,
    /// Properties of the group's member alone.
    pub consumer_properties: BTreeMap<String, String>,
    /// Properties of producers alone. Here `message.timeout.ms` is 30 s, and `transaction.timeout.ms` 10 s: so long, and a
    /// few seconds more, a worker waits for a broker that is away, also when the process is to end.
    pub producer_properties: BTreeMap<String, String>,
    /// Properties of the readers outside of the group alone (changelogs).
    pub restore_properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// Settings without any property: classic protocol, earliest offset.
    pub fn new(bootstrap_servers: impl Into<String>, group_id: impl Into<String>) -> Self {
        KafkaSettings {
            bootstrap_servers: bootstrap_servers.into(),
            group_id: group_id.into(),
            member_name: None,
            static_membership: false,
            group_protocol: GroupProtocol::Classic,
            offset_reset: OffsetReset::Earliest,
            oauthbearer_token_file: None,
            properties: BTreeMap::new(),
            consumer_properties: BTreeMap::new(),
            producer_properties: BTreeMap::new(),
            restore_properties: BTreeMap::new(),
        }
    }
}

/// Properties that nobody may set, and why.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it has a setting of its own, bootstrap_servers"),
    ("metadata.broker.list", "it is another name of bootstrap.servers, which has a setting of its own"),
    ("group.id", "it has a setting of its own, group_id"),
    ("group.protocol", "it has a setting of its own, group_protocol"),
    ("auto.offset.reset", "it has a setting of its own, offset_reset"),
    ("partition.assignment.strategy", "it is always `range`: other assignors part the inputs of a join"),
    ("group.remote.assignor", "it is always `range`: other assignors part the inputs of a join"),
    ("enable.auto.commit", "it is always false: offsets are committed together with the results"),
    ("enable.auto.offset.store", "it is always false: offsets are committed together with the results"),
    ("isolation.level", "it is always `read_committed`: else results of aborted transactions would be read"),
    ("enable.partition.eof", "it is always true: the end of a partition ends a restore"),
    ("enable.idempotence", "it is always true: else retries could double or reorder records"),
    ("group.instance.id", "it has a setting of its own, static_membership"),
    ("transactional.id", "each producer is given its own"),
    ("delivery.report.only.error", "it is always true: nothing waits for the delivery of a single record"),
];

/// Properties that librdkafka refuses when the broker is to do their work.
const REFUSED_BY_CONSUMER_PROTOCOL: &[&str] = &["session.timeout.ms", "heartbeat.interval.ms", "group.protocol.type"];

/// Kilobytes fetched ahead, for each partition (`queued.max.messages.kbytes`): with a queue of its own, a partition has
/// this limit for itself, so librdkafka's 64 MB would let memory grow with the number of partitions.
const FETCHED_AHEAD_KB: &str = "4096";

type Properties = BTreeMap<String, String>;

impl KafkaSettings {
    /// Refuses what must not be set, and names and values that librdkafka does not know.
    pub(crate) fn check(&self) -> Result<(), BrokerError> {
        if self.static_membership && self.member_name.is_none() {
            let message = "static_membership: a member that the group is to know by its name has none; set member_name";
            return Err(BrokerError::new(ErrorKind::Fatal, message));
        }
        for (setting, properties) in [
            ("properties", &self.properties),
            ("consumer_properties", &self.consumer_properties),
            ("producer_properties", &self.producer_properties),
            ("restore_properties", &self.restore_properties),
        ] {
            for name in properties.keys() {
                if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == name) {
                    return Err(refusal(setting, name, why));
                }
                if self.group_protocol == GroupProtocol::Consumer
                    && REFUSED_BY_CONSUMER_PROTOCOL.contains(&name.as_str())
                {
                    let why = "with group_protocol `consumer` the broker decides it (its group.consumer.* settings)";
                    return Err(refusal(setting, name, why));
                }
            }
        }
        self.check_security()?;
        for config in [self.member(), self.restore(), self.producer(None), self.metadata(), self.admin()] {
            config.create_native_config().map_err(|error| crate::errors::of_client("Kafka properties", &error))?;
        }
        Ok(())
    }

    /// Refuses what cannot be together. Without the feature `ssl`, all that needs TLS.
    fn check_security(&self) -> Result<(), BrokerError> {
        let refused = |name: &str, why: &str| Err(refusal("properties", name, why));
        let property = |name: &str| self.properties.get(name).map(String::as_str).unwrap_or_default();
        let protocol = property("security.protocol").to_uppercase();
        let mechanism = self.mechanism();
        if !cfg!(feature = "ssl") {
            let why = "this program was built without TLS: build it with the feature `ssl` of millstream-service";
            if protocol.ends_with("SSL") {
                return refused("security.protocol", why);
            }
            if protocol.starts_with("SASL") && mechanism != "PLAIN" {
                return refused("sasl.mechanism", why);
            }
        }
        let unsecured = property("enable.sasl.oauthbearer.unsecure.jwt") == "true";
        let is_oauth = protocol.starts_with("SASL") && mechanism == "OAUTHBEARER";
        match (&self.oauthbearer_token_file, is_oauth, unsecured) {
            (Some(_), false, _) => refused(
                "sasl.mechanism",
                "with kafka.oauthbearer.token_file it must be OAUTHBEARER, and security.protocol SASL_SSL or SASL_PLAINTEXT",
            ),
            (Some(_), true, true) => {
                refused("enable.sasl.oauthbearer.unsecure.jwt", "tokens come from kafka.oauthbearer.token_file")
            }
            (None, true, false) => refused(
                "sasl.mechanism",
                "OAUTHBEARER needs kafka.oauthbearer.token_file, or enable.sasl.oauthbearer.unsecure.jwt for tests",
            ),
            _ => Ok(()),
        }
    }

    fn mechanism(&self) -> String {
        let named = ["sasl.mechanism", "sasl.mechanisms"].iter().find_map(|name| self.properties.get(*name));
        named.cloned().unwrap_or_default().to_uppercase()
    }

    /// Where tokens come from.
    pub(crate) fn tokens(&self) -> Tokens {
        let unsecured =
            self.properties.get("enable.sasl.oauthbearer.unsecure.jwt").is_some_and(|value| value == "true");
        match (&self.oauthbearer_token_file, self.mechanism() == "OAUTHBEARER" && unsecured) {
            (Some(path), _) => Tokens::File(path.clone()),
            (None, true) => {
                Tokens::Unsecured(self.properties.get("sasl.oauthbearer.config").cloned().unwrap_or_default())
            }
            (None, false) => Tokens::None,
        }
    }

    /// Who asks the brokers, as far as the settings say it: a client's certificate does, but not in words.
    pub(crate) fn rights(&self) -> Rights {
        let protocol = self.properties.get("security.protocol").map_or("PLAINTEXT".into(), |text| text.to_uppercase());
        let principal = match (protocol.as_str(), self.tokens()) {
            ("PLAINTEXT", _) => Some("ANONYMOUS".to_owned()),
            ("SSL", _) => None,
            (_, Tokens::None) => self.properties.get("sasl.username").cloned(),
            (_, tokens) => tokens.token(now_ms()).ok().map(|token| token.principal_name),
        };
        Rights { principal: principal.map(|name| format!("User:{name}")), group_id: self.group_id.clone() }
    }

    /// The group's member.
    pub(crate) fn member(&self) -> ClientConfig {
        let mut config = self.reading("100");
        let offset_reset = match self.offset_reset {
            OffsetReset::Earliest => "earliest",
            OffsetReset::Latest => "latest",
            OffsetReset::Error => "error",
        };
        config.set("group.id", &self.group_id).set("auto.offset.reset", offset_reset);
        match self.group_protocol {
            GroupProtocol::Classic => config.set("partition.assignment.strategy", "range"),
            GroupProtocol::Consumer => config.set("group.protocol", "consumer").set("group.remote.assignor", "range"),
        };
        if self.group_protocol == GroupProtocol::Classic {
            // With each heartbeat a member hears whether tasks are to move: 3 s by default, for which those that move, and then
            // all, would stand still. One costs the broker little.
            config.set("heartbeat.interval.ms", "100");
        }
        let mut config = with(config, &self.consumer_properties);
        if let Some(name) = &self.member_name {
            // After the properties: who sorts members by their names must know them.
            config.set("client.id", name);
            if self.static_membership {
                config.set("group.instance.id", name);
            }
        }
        config
    }

    /// The consumer that reads partitions outside of the group. It never subscribes and never commits; librdkafka wants
    /// a group to be named even so.
    pub(crate) fn restore(&self) -> ClientConfig {
        // How long the end of a changelog takes to be seen behind a marker, for which a task that moved stands still.
        let mut config = self.reading("30");
        config.set("group.id", format!("{}-restore", self.group_id)).set("auto.offset.reset", "error");
        with(config, &self.restore_properties)
    }

    /// What both consumers share. `wait_ms` is how long a broker waits for records that it does not have yet.
    fn reading(&self, wait_ms: &str) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            .set("queued.min.messages", "20000")
            .set("queued.max.messages.kbytes", FETCHED_AHEAD_KB)
            // A partition whose queue was full waits this long before it is fetched again: 1 s by default.
            .set("fetch.queue.backoff.ms", "10")
            // A partition that joins or moves waits for the fetch under way: 500 ms by default.
            .set("fetch.wait.max.ms", wait_ms);
        with(config, &self.properties)
    }

    /// A producer.
    pub(crate) fn producer(&self, transactional_id: Option<&str>) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("delivery.report.only.error", "true")
            // As the Java clients choose: else joins with topics that they write would miss.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "65536");
        match transactional_id {
            Some(id) => config.set("transactional.id", id).set("transaction.timeout.ms", "10000"),
            // 5 min by default: so long a writer would wait for a broker that is away, also when it is to end.
            None => config.set("message.timeout.ms", "30000"),
        };
        let config = with(config, &self.properties);
        let mut config = with(config, &self.producer_properties);
        if transactional_id.is_none() {
            config.remove("transaction.timeout.ms");
        }
        config
    }

    /// The client that asks for metadata and for end offsets, of committed records or not.
    pub(crate) fn metadata(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("isolation.level", "read_uncommitted").set("allow.auto.create.topics", "false");
        with(config, &self.properties)
    }

    /// The client that creates topics and deletes records. rust-rdkafka never takes its log lines out of their queue, so
    /// it must write none; its calls answer with their errors.
    pub(crate) fn admin(&self) -> ClientConfig {
        let mut config = with(self.client(), &self.properties);
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", &self.group_id)
            // After an outage of the broker, 10 s by default.
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Debug);
        config
    }
}

fn with(mut config: ClientConfig, properties: &Properties) -> ClientConfig {
    for (name, value) in properties {
        config.set(canonical(name), value);
    }
    config
}

/// The name that the defaults use: of a property that is set by two names, either value could count.
fn canonical(name: &str) -> &str {
    match name {
        "delivery.timeout.ms" => "message.timeout.ms",
        "sasl.mechanisms" => "sasl.mechanism",
        "queue.buffering.max.ms" => "linger.ms",
        name => name,
    }
}

fn refusal(setting: &str, name: &str, why: &str) -> BrokerError {
    BrokerError::new(ErrorKind::Fatal, format!("{setting}: the Kafka property {name} cannot be set: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_name_what_correctness_stands_on() {
        for (name, why) in REFUSED {
            let mut settings = KafkaSettings::new("localhost:9092", "app");
            settings.producer_properties.insert(name.to_string(), "x".into());
            let error = settings.check().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Fatal);
            assert!(error.message.contains(name) && error.message.contains(why), "{error}");
            assert!(error.message.starts_with("producer_properties:"), "{error}");
        }
    }

    #[test]
    fn session_timeout_is_the_brokers_with_the_consumer_protocol() {
        let mut settings = KafkaSettings::new("localhost:9092", "app");
        settings.consumer_properties.insert("session.timeout.ms".into(), "9000".into());
        settings.check().unwrap();
        settings.group_protocol = GroupProtocol::Consumer;
        assert!(settings.check().unwrap_err().message.contains("session.timeout.ms"));
    }

    #[test]
    fn members_are_sorted_by_their_names() {
        let mut settings = KafkaSettings::new("localhost:9092", "app");
        settings.properties.insert("client.id".into(), "mine".into());
        assert_eq!(settings.member().get("client.id"), Some("mine"));
        settings.member_name = Some("pod-3".into());
        let member = settings.member();
        assert_eq!((member.get("client.id"), member.get("group.instance.id")), (Some("pod-3"), None));
        assert_eq!(settings.restore().get("client.id"), Some("mine"));
        settings.static_membership = true;
        assert_eq!(settings.member().get("group.instance.id"), Some("pod-3"));
        settings.check().unwrap();
        settings.member_name = None;
        assert!(settings.check().unwrap_err().message.contains("member_name"));
    }

    #[test]
    fn an_unknown_property_is_named() {
        let mut settings = KafkaSettings::new("localhost:9092", "app");
        settings.restore_properties.insert("fetch.wait.maximum".into(), "9".into());
        let error = settings.check().unwrap_err();
        assert!(error.message.contains("fetch.wait.maximum"), "{error}");
    }

    #[test]
    fn properties_override_the_defaults() {
        let mut settings = KafkaSettings::new("localhost:9092", "app");
        settings.properties.insert("fetch.wait.max.ms".into(), "7".into());
        settings.producer_properties.insert("linger.ms".into(), "0".into());
        settings.consumer_properties.insert("fetch.wait.max.ms".into(), "8".into());
        assert_eq!(settings.member().get("fetch.wait.max.ms"), Some("8"));
        assert_eq!(settings.restore().get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(settings.producer(Some("t")).get("linger.ms"), Some("0"));
        settings.producer_properties.insert("delivery.timeout.ms".into(), "9".into());
        assert_eq!(settings.producer(None).get("message.timeout.ms"), Some("9"));
    }
}
