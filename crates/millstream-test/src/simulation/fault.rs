use std::fmt;

/// Declares the classes of faults with their names and what they are.
macro_rules! faults {
    ($($class:ident, $name:literal, $about:literal;)*) => {
        /// A class of what may go wrong in a cluster. Each is counted when it really occurs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $(#[doc = $about] $class,)*
        }

        impl Fault {
            /// All classes.
            pub const ALL: [Fault; [$($name),*].len()] = [$(Fault::$class),*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Fault::$class => $name,)*
                }
            }
        }
    };
}

faults! {
    ShortRead, "short_read", "A reader hands over less than there is.";
    LateEnd, "late_end", "A reader says later that it has come to the end.";
    SlowRestore, "slow_restore", "A reader outside of the group hands over little, and seldom.";
    LateSend, "late_send", "Records are under way when others, sent later to another partition, arrive.";
    LostSend, "lost_send", "A process ends without transactions while records of it are under way.";
    LateMarker, "late_marker", "A transaction's marker comes to a partition after its commit was answered.";
    PendingPositions, "pending_positions", "The group's positions are asked for while they are part of a transaction.";
    WaitingProducer, "waiting_producer", "A new producer waits until the last one's transaction is ended everywhere.";
    Unanswered, "unanswered", "A request is not answered in time, and asked again.";
    BrokerAway, "broker_away", "The broker restarts.";
    BrokerAwayInCommit, "broker_away_in_commit", "The broker goes away during a commit, before or after it.";
    TransactionsAway, "transactions_away", "The coordinator of transactions moves.";
    CoordinatorMoved, "coordinator_moved", "The group's coordinator moves: every member rejoins.";
    GroupForgotten, "group_forgotten", "The group's coordinator knows no member any more.";
    CommitRefused, "commit_refused", "A commit is refused, and its transaction is to be aborted.";
    CommitLost, "commit_lost", "A commit does not arrive, and nobody knows.";
    AnswerLost, "answer_lost", "A commit goes through, and nobody knows.";
    Fenced, "fenced", "A producer is told that it is not the last one of its id.";
    FencedFromOutside, "fenced_from_outside", "A transactional id is fenced although no other producer has it.";
    TransactionTimedOut, "transaction_timed_out", "A transaction is aborted as it was open for too long.";
    Evicted, "evicted", "A member is thrown out of its group.";
    EvictedRestoring, "evicted_restoring", "A member is thrown out while tasks of it are restored.";
    EvictedRevoking, "evicted_revoking", "A member is thrown out while it gives up partitions.";
    EvictedUnanswered, "evicted_unanswered", "A member is thrown out before it has answered for its assignment.";
    RebalancedRestoring, "rebalanced_restoring", "Partitions are revoked while tasks are restored.";
    Paused, "paused", "A process, or one thread of it, stands still for longer than its session lasts.";
    ZombieRefused, "zombie_refused", "A commit by who is not a member any more is refused.";
    Replaced, "replaced", "A process is started with the identity of one that stands still.";
    Crashed, "crashed", "A process vanishes.";
    Stopped, "stopped", "A process ends in order.";
    Started, "started", "A process is started while others run.";
    ClockForward, "clock_forward", "A process's clock jumps forward.";
    ClockBack, "clock_back", "A process's clock jumps back.";
    Cleaned, "cleaned", "Logs are compacted.";
    Transferred, "transferred", "A part of a task's state goes from one instance's memory to another's.";
    TransferBroken, "transfer_broken", "A transfer of state breaks off.";
    Purged, "purged", "Records of a repartition topic are deleted by the engine.";
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each class of fault has occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultCounts([u64; Fault::ALL.len()]);

impl Default for FaultCounts {
    fn default() -> Self {
        FaultCounts([0; Fault::ALL.len()])
    }
}

impl FaultCounts {
    /// How often this one has.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// Each class with how often it has.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().zip(self.0)
    }

    pub(crate) fn add(&mut self, fault: Fault, times: u64) {
        self.0[fault as usize] += times;
    }

    /// Adds those of another run.
    pub fn add_all(&mut self, others: &FaultCounts) {
        self.0.iter_mut().zip(others.0).for_each(|(count, other)| *count += other);
    }
}
