use millstream::broker::CleanupPolicy;

use crate::contestant::Contestant;

/// What all contestants do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Each record of the input goes unchanged to the output: key, value and timestamp.
    PassThrough,
    /// The records of each key are counted: each record of the input puts its key with the new count (8 bytes,
    /// big-endian) into the output, and each key that changed goes once a commit to the changelog.
    Count,
    /// A compacted changelog is read from its beginning to its end: state of a key-value store, each key once. Millstream has
    /// it in memory afterwards; the contestant in C only reads it.
    Restore,
}

impl Workload {
    pub(crate) const ALL: [Workload; 3] = [Workload::PassThrough, Workload::Count, Workload::Restore];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::PassThrough => "pass-through",
            Workload::Count => "count",
            Workload::Restore => "restore",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Workload::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// Who can run it; the first is what the others are compared with.
    pub(crate) fn contestants(self) -> &'static [Contestant] {
        match self {
            Workload::PassThrough | Workload::Count | Workload::Restore => {
                &[Contestant::Librdkafka, Contestant::Millstream]
            }
        }
    }

    /// Whether a run writes a changelog.
    pub(crate) fn has_changelog(self) -> bool {
        match self {
            Workload::PassThrough | Workload::Restore => false,
            Workload::Count => true,
        }
    }
}

/// The topics of one run.
#[derive(Clone, Debug)]
pub(crate) struct RunTopics {
    pub(crate) input: String,
    pub(crate) output: String,
    /// Named as Millstream names the changelog of the store [`STORE`], for all contestants.
    pub(crate) changelog: String,
}

/// The name of the store in workloads that have one.
pub(crate) const STORE: &str = "counts";

impl RunTopics {
    /// The topics of a run whose consumer group, and application id, is `group`.
    pub(crate) fn new(input: &str, group: &str) -> Self {
        RunTopics {
            input: input.to_owned(),
            output: format!("{group}-out"),
            changelog: format!("{group}-{STORE}-changelog"),
        }
    }

    /// The topics of all runs of [`Workload::Restore`], which write nothing; `application_id` is the consumer group of all.
    pub(crate) fn to_restore(application_id: &str) -> Self {
        RunTopics {
            input: format!("{application_id}-in"),
            output: format!("{application_id}-out"),
            changelog: format!("{application_id}-{STORE}-changelog"),
        }
    }

    /// The topics to be made for the run.
    pub(crate) fn to_create(&self, workload: Workload) -> Vec<(&str, CleanupPolicy)> {
        let mut topics = vec![(self.output.as_str(), CleanupPolicy::Delete)];
        if workload.has_changelog() {
            topics.push((&self.changelog, CleanupPolicy::Compact));
        }
        topics
    }
}
