//! What may be chosen for a run beside its workload.

use clap::ValueEnum;
use serde::Serialize;

/// What a crash may do to results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Guarantee {
    AtLeastOnce,
    ExactlyOnce,
}

impl Guarantee {
    /// Its name on command lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Guarantee::AtLeastOnce => "at-least-once",
            Guarantee::ExactlyOnce => "exactly-once",
        }
    }

    /// How often contestants commit if nothing else is said, in ms.
    pub(crate) fn usual_interval_ms(self) -> u64 {
        match self {
            Guarantee::AtLeastOnce => 1000,
            Guarantee::ExactlyOnce => 100,
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce].into_iter().find(|guarantee| guarantee.name() == name)
    }
}

/// How often contestants commit, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Commits {
    pub(crate) guarantee: Guarantee,
    pub(crate) interval_ms: u64,
}

/// How much input there is, and how it lies on the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sizes {
    /// Bids.
    pub(crate) records: u64,
    /// Keys of the changelog that is restored.
    pub(crate) keys: u64,
    /// Of every topic.
    pub(crate) partitions: i32,
    /// Of a bid's value, in bytes; `None`: as Nexmark's, about 200.
    pub(crate) value_size: Option<usize>,
}
