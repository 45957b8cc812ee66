use crate::processor::ErrorPolicies;

/// How the engine runs a topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names the consumer group, the internal topics, and the transactional ids.
    pub application_id: String,
    /// Names this process among the instances; the same after a restart if possible, as then the new process ends the
    /// old one's transaction at once, and need not wait for its timeout.
    pub instance_id: String,
    /// How many workers, that is threads that process records; at least 1.
    pub workers: usize,
    /// What a crash may do to results.
    pub guarantee: Guarantee,
    /// How much time passes between two commits, in ms.
    pub commit_interval_ms: i64,
    /// Where to start in a partition that the group has no position in.
    pub offset_reset: OffsetReset,
    /// Where to start in source partitions that the group has no position in; before `offset_reset`. The whole of history is
    /// run anew by another `application_id`.
    pub from: Option<Moment>,
    /// Where to end in each source partition, if the run is to end: what is there when the instance starts, and no more.
    pub until: Option<Moment>,
    /// How long, in ms, a record waits for another input of its task that has nothing to read.
    pub max_task_idle_ms: i64,
    /// How long, in ms, an input without records holds back the time of those behind it; when all inputs of a task are idle,
    /// its time goes on as the machine's does. 0: inputs are waited for for ever, and without records time stands still.
    pub idle_timeout_ms: i64,
    /// How much time passes, in ms, between two watermarks that a task writes to a repartition topic.
    pub watermark_interval_ms: i64,
    /// How many records of each input a task with several inputs holds at most.
    pub buffered_records_per_partition: usize,
    /// How many replicas internal topics get; `None` takes the broker's default.
    pub replication_factor: Option<i32>,
    /// How much time passes between two deletions of consumed records from repartition topics, in ms.
    pub repartition_purge_interval_ms: i64,
    /// How long, in ms, the state of a task that was given away is kept, in case that the task comes back.
    pub parked_ms: i64,
    /// What becomes of records that fail.
    pub errors: ErrorPolicies,
    /// How many other instances keep a copy of each task's state, which is read on all the time.
    pub standby_replicas: usize,
    /// Where this process runs: instances of one rack fail together, so copies of a task's state go to another one.
    pub rack: Option<String>,
    /// `http://host:port` where other instances reach this one, if they can.
    pub address: Option<String>,
    /// How long, in ms, an instance that starts restores what it will be given before it joins the group, if others run. 0: not
    /// at all.
    pub warmup_timeout_ms: i64,
    /// About how many records of a task's changelogs may be missing when the instance joins.
    pub acceptable_recovery_lag: u64,
    /// Whether the group knows this process by its instance id (`group.instance.id`): a restart moves nothing then.
    pub static_membership: bool,
    /// How long, in ms, a process waits when no broker of the cluster answers, before it ends with an error. 0: for ever.
    pub broker_lost_timeout_ms: i64,
}

impl Options {
    /// The defaults: one worker, exactly once, commits every 100 ms.
    pub fn new(application_id: impl Into<String>, instance_id: impl Into<String>) -> Self {
        Options {
            application_id: application_id.into(),
            instance_id: instance_id.into(),
            workers: 1,
            guarantee: Guarantee::ExactlyOnce,
            commit_interval_ms: 100,
            offset_reset: OffsetReset::Earliest,
            from: None,
            until: None,
            max_task_idle_ms: 0,
            idle_timeout_ms: 30_000,
            watermark_interval_ms: 200,
            buffered_records_per_partition: 1000,
            replication_factor: None,
            repartition_purge_interval_ms: 30_000,
            parked_ms: 600_000,
            errors: ErrorPolicies::default(),
            standby_replicas: 0,
            rack: None,
            address: None,
            warmup_timeout_ms: 300_000,
            acceptable_recovery_lag: 10_000,
            static_membership: false,
            broker_lost_timeout_ms: 0,
        }
    }
}

/// What a crash may do to results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Positions, state and results change together, in transactions.
    ExactlyOnce,
    /// After a crash, records since the last commit are processed again.
    AtLeastOnce,
}

/// Where to start in a partition that the group has no position in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// With the oldest record.
    Earliest,
    /// With what comes from now on.
    Latest,
    /// Not at all: it is an error.
    Error,
}

/// A place in every source partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The oldest record.
    Beginning,
    /// The end as of now.
    End,
    /// This offset; where there are not so many records, the end as of now.
    Offset(i64),
    /// The first record with this timestamp (ms) or a later one; where there is none, the end as of now.
    Timestamp(i64),
}
