use std::collections::BTreeMap;

/// What Kafka does with old records of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// `delete`: removed after their retention.
    Delete,
    /// `compact`: the last record of each key stays.
    Compact,
    /// `compact,delete`: both.
    CompactDelete,
}

impl CleanupPolicy {
    /// As Kafka writes it in `cleanup.policy`.
    pub fn as_str(self) -> &'static str {
        match self {
            CleanupPolicy::Delete => "delete",
            CleanupPolicy::Compact => "compact",
            CleanupPolicy::CompactDelete => "compact,delete",
        }
    }

    /// Reads `cleanup.policy`; the order of the two words does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        match (text.contains("compact"), text.contains("delete")) {
            (true, true) => Some(CleanupPolicy::CompactDelete),
            (true, false) => Some(CleanupPolicy::Compact),
            (false, true) => Some(CleanupPolicy::Delete),
            (false, false) => None,
        }
    }
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// Its `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
}

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it gets.
    pub partitions: i32,
    /// How many replicas; `None` takes the broker's default.
    pub replication_factor: Option<i32>,
    /// Its `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// Other topic settings, by Kafka's names (`retention.ms`, …).
    pub config: BTreeMap<String, String>,
}
